import type { Event } from "./event.js";

/**
 * What became of a settlement. `ACKED`: done, durably. `ALREADY_ACKED`: no longer owed; a success too. `STALE`: the delivery
 * predates a seek or, for a nack, isn't the latest attempt. `INVALID`: not of this subscription.
 */
export type AckStatus = "ACKED" | "ALREADY_ACKED" | "STALE" | "INVALID";

/**
 * How an event is given back: to be sent again after the subscription's backoff, or after a delay of its own; dead-lettered
 * now; or released, to be sent again at once without counting as a failure. The reason is kept with a dead letter.
 */
export type NackOptions = (
  | { retryDelayMs?: number }
  | {
      /** Dead-letter the event now. */
      deadLetter: true;
    }
  | {
      /** Send it again at once, to any consumer; not a failure. */
      release: true;
    }
) & {
  /** Why, for people. Cut off after 1,024 bytes. */
  reason?: string;
};

/** An event on its way to a consumer, which has to settle it. Its deadline is extended until then. */
export interface Delivery {
  /** The event. */
  readonly event: Event;
  /** Which sending of the event it is, from 1. After a crash of the gateway it may be too low, never too high. */
  readonly attempt: number;
  /** Aborted when the consumer begins to drain, for handlers that can make haste. */
  readonly signal: AbortSignal;
  /**
   * Says that the event is processed, and resolves once the gateway has confirmed that. Rejects only if the gateway refused the
   * call or the consumer was ended without an answer. The first settlement counts; later ones return its result.
   */
  ack(): Promise<AckStatus>;
  /** Gives the event back; otherwise as `ack`. */
  nack(how?: NackOptions): Promise<AckStatus>;
}
