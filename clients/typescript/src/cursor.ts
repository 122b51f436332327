/**
 * Holds the position of one subscription. Its methods are called one at a time; what they throw ends the subscription.
 */
export interface CursorStore {
  /** Returns the saved cursor; undefined if none was ever saved. */
  load(): Promise<string | undefined>;
  /** Replaces the saved cursor and resolves once that would survive a crash. */
  save(cursor: string): Promise<void>;
}

// Bounds how much a crash repeats, at the cost of one synced write a second.
const defaultInterval = 1_000;

/**
 * Writes the newest cursor to a store, not at each change but within an interval of it.
 *
 * @internal
 */
export class CursorSaver {
  #saved: string | undefined;
  #pending: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #saving = Promise.resolve();
  #failure: { error: unknown } | undefined;

  constructor(
    private readonly store: CursorStore | undefined,
    private readonly intervalMs = defaultInterval,
  ) {}

  /** Returns the saved cursor. */
  async load(): Promise<string | undefined> {
    this.#saved = await this.store?.load();
    return this.#saved;
  }

  /** Sets what is to be saved. */
  note(cursor: string): void {
    if (!this.store || (this.#pending === undefined && cursor === this.#saved)) {
      return;
    }
    this.#pending = cursor;
    this.#timer ??= setTimeout(() => void this.#save(), this.intervalMs);
  }

  /** Throws what an earlier save has thrown. */
  throwIfFailed(): void {
    if (this.#failure) {
      throw this.#failure.error;
    }
  }

  /** Saves what is pending. Throws what this or an earlier save has thrown. */
  async flush(): Promise<void> {
    await this.#save();
    this.throwIfFailed();
  }

  // One after the other: a store never sees two saves at once, nor an older cursor after a newer one.
  #save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#saving = this.#saving.then(() => this.#saveOnce());
    return this.#saving;
  }

  async #saveOnce(): Promise<void> {
    const cursor = this.#pending;
    this.#pending = undefined;
    if (cursor === undefined || !this.store) {
      return;
    }
    try {
      await this.store.save(cursor);
      this.#saved = cursor;
    } catch (error) {
      this.#failure = { error };
    }
  }
}
