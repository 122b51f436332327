import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Channel } from "./channel.js";
import { StrawError } from "./error.js";
import type { Frame } from "./event.js";
import type { SubscribeRequestSchema } from "./gen/straw/v1/event_service_pb.js";

// The gateway sends its first frame at once.
const firstFramePatience = 20_000;
// Assumed of a gateway that doesn't announce one.
const defaultHeartbeat = 15_000;

/**
 * One Subscribe call. It ends itself when it has been silent for too long.
 *
 * @internal
 */
export class Connection {
  /** Set when the call was ended for its silence. */
  silent = false;
  /** How many frames came. */
  frames = 0;
  readonly #call = new AbortController();
  readonly #stream: AsyncIterator<Frame>;
  #patience = firstFramePatience;
  #watchdog: NodeJS.Timeout | undefined;
  // Number of the frame that is waited for; 0 while the program works on one.
  #waitingFor = 0;

  constructor(channel: Channel, request: MessageInitShape<typeof SubscribeRequestSchema>) {
    this.#stream = channel.events.subscribe(request, { signal: this.#call.signal })[Symbol.asyncIterator]();
  }

  /** Returns the next frame; undefined at the end of a stream that ended with OK. Throws a StrawError. */
  async read(): Promise<Frame | undefined> {
    this.#waitingFor = this.frames + 1;
    this.#watchdog = this.#watchdog?.refresh() ?? this.#watch();
    try {
      const result = await this.#stream.next();
      if (result.done) {
        return undefined;
      }
      if (++this.frames === 1) {
        this.#welcome(result.value);
      }
      return result.value;
    } catch (error) {
      throw this.silent ? silence(error) : error;
    } finally {
      this.#waitingFor = 0;
    }
  }

  close(): void {
    clearTimeout(this.#watchdog);
    this.#call.abort();
  }

  #welcome(first: Frame): void {
    const interval = first.heartbeatInterval ? durationMs(first.heartbeatInterval) : 0;
    this.#patience = (interval > 0 ? interval : defaultHeartbeat) * 2.5;
    clearTimeout(this.#watchdog);
    this.#watchdog = undefined;
  }

  #watch(): NodeJS.Timeout {
    return setTimeout(() => {
      const frame = this.#waitingFor;
      // A program that blocked the event loop may have kept a frame from being read: look once more after that was done.
      setImmediate(() => {
        if (frame !== 0 && frame === this.#waitingFor) {
          this.silent = true;
          this.#call.abort();
        }
      });
    }, this.#patience);
  }
}

function silence(cause: unknown): StrawError {
  return new StrawError("UNAVAILABLE", "no frame came in time, so the connection is taken for dead", "", {}, { cause });
}
