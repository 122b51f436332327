import { CursorSaver } from "./cursor.js";
import type { Frame } from "./event.js";
import { FrameStream } from "./frame-stream.js";
import type { Link } from "./link.js";
import { Scope } from "./scope.js";
import { subscribeRequest, type FramesOptions, type SubscribeOptions } from "./subscribe-options.js";

/**
 * One loop over the stream in cursor mode: its frames, and how far the log is processed. Not for concurrent use.
 *
 * @internal
 */
export class Subscription {
  readonly #request: ReturnType<typeof subscribeRequest>;
  // Everything up to here is processed; undefined before anything is.
  #cursor: string | undefined;
  readonly #cursors: CursorSaver;
  readonly #scope: Scope;
  readonly #stream: FrameStream;
  #loaded = false;
  #aborted = false;

  constructor(
    private readonly link: Link,
    options: SubscribeOptions | FramesOptions,
    ...signals: (AbortSignal | undefined)[]
  ) {
    this.#request = subscribeRequest(options);
    this.#cursors = new CursorSaver(options.cursorStore, options.cursorIntervalMs);
    this.#scope = new Scope(...signals);
    const { signal } = this.#scope;
    this.#aborted = signal.aborted; // a field, for it is asked for each event
    signal.addEventListener("abort", () => {
      this.#aborted = true;
    });
    this.#stream = new FrameStream(link, () => this.#nextRequest(), options.hooks ?? {}, signal);
  }

  /** Says that the subscription was cancelled. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** Returns the next frame; undefined at the head. Throws what ends the subscription. */
  async next(): Promise<Frame | undefined> {
    this.#scope.signal.throwIfAborted();
    if (!this.#loaded) {
      await this.#load();
    }
    this.#cursors.throwIfFailed();
    return this.#stream.next();
  }

  /** Notes that everything up to a cursor is processed: what a lost connection goes on after. */
  processed(cursor: string): void {
    if (cursor !== "") {
      this.#cursor = cursor;
      this.#cursors.note(cursor);
    }
  }

  /** Cancels what waits for a frame. */
  abort(): void {
    this.#scope.end();
  }

  /** Ends the connection and saves the position. Throws if that fails. */
  async end(): Promise<void> {
    this.#stream.close();
    this.#scope.end();
    this.link.close();
    await this.#cursors.flush();
  }

  async #load(): Promise<void> {
    this.#cursor = await this.#cursors.load();
    this.#loaded = true;
  }

  #nextRequest(): ReturnType<typeof subscribeRequest> {
    return this.#cursor === undefined
      ? this.#request
      : { ...this.#request, start: { case: "after", value: this.#cursor } };
  }
}
