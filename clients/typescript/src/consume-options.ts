import type { AckStatus, Delivery } from "./delivery.js";
import type { Gap } from "./event.js";
import type { Hooks } from "./hooks.js";

/** Told what a consumer does, for logs and metrics. What they throw ends the consumer. */
export interface ConsumeHooks extends Hooks {
  /** Called when the gateway has confirmed a delivery's settlement. */
  settled?: (delivery: Delivery, status: AckStatus) => void;
  /** Called when a handler has thrown, before the event is given back. */
  failed?: (delivery: Delivery, error: unknown) => void;
}

/** How to consume a durable subscription. */
export interface ConsumeOptions {
  /** The subscription's id. It must exist. */
  subscription: string;
  /** How many deliveries are worked on at once. Default 16. As many again wait in the client, 1,000 in all at most. */
  concurrency?: number;
  /** Drains: nothing more is begun, what was begun may end, the last settlements are confirmed, and the rest is given back. */
  signal?: AbortSignal;
  /** How long a drain waits for what was begun, in milliseconds; 10 s more for the last confirmations. Default 30,000. */
  drainTimeoutMs?: number;
  /** How often the gateway sends a frame at least, in milliseconds: 1,000 to 60,000, default 15,000. */
  heartbeatIntervalMs?: number;
  /** Fill `event.raw` with the webhook's body. */
  includeRaw?: boolean;
  /** Called when retention has removed events that were still owed. What it throws ends the consumer. */
  onGap?: (gap: Gap) => void | Promise<void>;
  /** Told what the consumer does. */
  hooks?: ConsumeHooks;
}
