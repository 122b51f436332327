/**
 * A signal that is aborted with the first of several others, or by itself. Unlike `AbortSignal.any` it can be let go, so that
 * a signal that lives as long as the program doesn't gather listeners.
 *
 * @internal
 */
export class Scope {
  readonly #controller = new AbortController();
  readonly #unlink: (() => void)[] = [];

  constructor(...signals: (AbortSignal | undefined)[]) {
    for (const signal of signals) {
      if (signal) {
        this.#link(signal);
      }
    }
  }

  /** Aborted with the others. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts the scope's own signal and lets go of the others. */
  end(reason?: unknown): void {
    for (const unlink of this.#unlink.splice(0)) {
      unlink();
    }
    this.#controller.abort(reason);
  }

  #link(signal: AbortSignal): void {
    const abort = () => {
      this.#controller.abort(signal.reason);
    };
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    this.#unlink.push(() => {
      signal.removeEventListener("abort", abort);
    });
  }
}
