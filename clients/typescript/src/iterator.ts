/**
 * An iterator made of three steps, which takes care of what for-await leaves to it: calls of next that don't wait for each
 * other keep their order, and nothing comes after the end.
 *
 * @internal
 */
export abstract class SerialIterator<T> implements AsyncIterableIterator<T> {
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #ended = false;

  /** Returns a value that is at hand; undefined if there is none. */
  protected abstract take(): T | undefined;
  /** Waits for a value; undefined at the end. */
  protected abstract wait(): Promise<T | undefined>;
  /** Interrupts a wait, because the loop was left. */
  protected abstract interrupt(): void;
  /** Called once, after the end, a failure, or when the loop was left. */
  protected abstract finish(left: boolean): Promise<void>;

  next(): Promise<IteratorResult<T>> {
    if (this.#waiting === 0 && !this.#ended) {
      const value = this.take();
      if (value !== undefined) {
        return Promise.resolve({ done: false, value });
      }
    }
    return this.#enqueue(() => this.#advance());
  }

  return(): Promise<IteratorResult<T>> {
    this.interrupt();
    return this.#enqueue(async () => {
      await this.#end(true);
      return { done: true, value: undefined };
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #enqueue(step: () => Promise<IteratorResult<T>>): Promise<IteratorResult<T>> {
    this.#waiting++;
    const result = this.#tail.then(step);
    this.#tail = result.then(this.#stepped, this.#stepped);
    return result;
  }

  readonly #stepped = () => {
    this.#waiting--;
  };

  async #advance(): Promise<IteratorResult<T>> {
    if (this.#ended) {
      return { done: true, value: undefined };
    }
    let value: T | undefined;
    try {
      value = this.take() ?? (await this.wait());
    } catch (error) {
      await this.#fail(error);
    }
    if (value !== undefined) {
      return { done: false, value };
    }
    await this.#end(false);
    return { done: true, value: undefined };
  }

  async #fail(error: unknown): Promise<never> {
    try {
      await this.#end(false);
    } catch (failure) {
      if (failure !== error) {
        throw new AggregateError([error, failure], `${String(error)}; and then: ${String(failure)}`, {
          cause: failure,
        });
      }
    }
    throw error;
  }

  async #end(left: boolean): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      await this.finish(left);
    }
  }
}
