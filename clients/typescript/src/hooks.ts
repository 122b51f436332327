import type { StrawError } from "./error.js";
import type { Frame } from "./event.js";

/**
 * Told what a subscription does, for logs and metrics. They should return soon; what they throw ends the subscription.
 */
export interface Hooks {
  /** Called with the first frame of each connection. */
  connected?: (first: Frame) => void;
  /** Called when a connection was lost or couldn't be made, with the reason and the milliseconds until the next. */
  disconnected?: (error: StrawError, retryInMs: number) => void;
  /** Called with each frame before its events are delivered, the first one included. */
  frame?: (frame: Frame) => void;
}
