import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { jitter, sleep } from "./backoff.js";
import { Connection } from "./connection.js";
import { StrawError } from "./error.js";
import type { Frame } from "./event.js";
import type { SubscribeRequestSchema } from "./gen/straw/v1/event_service_pb.js";
import type { Hooks } from "./hooks.js";
import type { Link } from "./link.js";

/**
 * The frames of one subscription, across its connections. Not for concurrent use.
 *
 * @internal
 */
export class FrameStream {
  /** Don't connect again: the stream ends with the connection that it has. */
  last = false;
  #connection: Connection | undefined;
  // A first frame came, on any connection.
  #connected = false;
  // In a row.
  #failures = 0;
  // Milliseconds that a gateway going away has asked for.
  #pause = 0;

  /**
   * @param request - returns what to ask for, at each connection
   * @param signal - ends the stream with its reason
   * @param ready - awaited before each connection; what it throws counts as the connection's failure
   */
  constructor(
    private readonly link: Link,
    private readonly request: () => MessageInitShape<typeof SubscribeRequestSchema>,
    private readonly hooks: Hooks,
    private readonly signal: AbortSignal,
    private readonly ready: () => Promise<void> = () => Promise.resolve(),
  ) {
    signal.addEventListener("abort", () => this.#connection?.close(), { once: true });
  }

  /**
   * Returns the next frame; undefined at the head, if the stream was to end there. Throws the signal's reason, a StrawError
   * that a retry can't help, or what a hook has thrown.
   */
  async next(): Promise<Frame | undefined> {
    for (;;) {
      if (this.last && !this.#connection) {
        return undefined;
      }
      try {
        const frame = await this.#read();
        if (frame) {
          this.#take(frame);
          return frame;
        }
        if (this.request().endAtHead) {
          return undefined;
        }
        throw new StrawError("UNAVAILABLE", "the stream ended without a reason");
      } catch (error) {
        const silent = this.#silenced(error);
        this.close();
        this.signal.throwIfAborted();
        if (!this.#recoverable(error)) {
          throw error;
        }
        if (this.last) {
          return undefined; // without a wait before
        }
        await this.#retreat(error as StrawError, silent);
      }
    }
  }

  /** Ends the connection. Idempotent. */
  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #read(): Promise<Frame | undefined> {
    if (!this.#connection) {
      await this.ready();
      this.signal.throwIfAborted();
      this.#connection = new Connection(this.link.channel, this.request());
    }
    const connection = this.#connection;
    const frame = await connection.read();
    if (frame && connection.frames === 1) {
      this.#connected = true;
      this.hooks.connected?.(frame);
    } else if (frame) {
      // Not by the first frame, or a stream that always dies at the same event would be retried at full speed.
      this.#failures = 0;
    }
    return frame;
  }

  #take(frame: Frame): void {
    this.hooks.frame?.(frame);
    if (frame.goingAway) {
      this.#pause = frame.goingAway.retryDelay ? durationMs(frame.goingAway.retryDelay) : 0;
    }
  }

  #silenced(error: unknown): boolean {
    if (this.#connection) {
      return this.#connection.silent;
    }
    return error instanceof StrawError && error.code === "DEADLINE_EXCEEDED";
  }

  #recoverable(error: unknown): boolean {
    if (!(error instanceof StrawError)) {
      return false;
    }
    if (error.reason === "TOO_MANY_STREAMS" || error.reason === "RATE_LIMITED") {
      // The gateway may not yet know that the stream before is lost. At the first try it is simply so.
      return this.#connected;
    }
    return error.retryable;
  }

  async #retreat(error: StrawError, silent: boolean): Promise<void> {
    this.#failures++;
    const delay = this.#pause + jitter(this.#failures);
    this.#pause = 0;
    this.hooks.disconnected?.(error, delay);
    if (silent) {
      this.link.renew();
    }
    await sleep(delay, this.signal);
  }
}
