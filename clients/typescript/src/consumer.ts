import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { ConsumeOptions } from "./consume-options.js";
import type { AckStatus, Delivery, NackOptions } from "./delivery.js";
import { StrawError } from "./error.js";
import type { Event } from "./event.js";
import { Extender } from "./extender.js";
import { FrameStream } from "./frame-stream.js";
import type { Delivery as WireDelivery } from "./gen/straw/v1/event_service_pb.js";
import type { Link } from "./link.js";
import { Scope } from "./scope.js";
import { Settler } from "./settler.js";
import { within } from "./within.js";

const defaultConcurrency = 16;
const defaultDrainTimeoutMs = 30_000;
const maxOutstanding = 1_000;
const readyTimeoutMs = 20_000;
// What the last settlements get even if the handlers have used up the drain's time.
const lastCallsMs = 5_000;

/**
 * A durable subscription's deliveries on their way through this process: received, handed out, settled, confirmed. Its `take`
 * isn't for concurrent use.
 *
 * @internal
 */
export class Consumer {
  readonly #concurrency: number;
  readonly #scope: Scope;
  readonly #draining = new AbortController();
  readonly #stream: FrameStream;
  readonly #settler: Settler;
  readonly #extender: Extender;
  // Received and not handed out, by event: one that is sent again meanwhile takes its own place.
  readonly #waiting = new Map<string, Held>();
  // Handed out and not settled.
  readonly #working = new Set<Held>();
  readonly #beginDrain = () => {
    this.#stream.last = true;
    this.#draining.abort(this.options.signal?.reason);
    this.#wake();
  };
  #pump: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #wakeTaker: (() => void) | undefined;
  #wakeDrain: (() => void) | undefined;

  constructor(
    private readonly link: Link,
    private readonly options: ConsumeOptions,
    closed: AbortSignal,
  ) {
    this.#concurrency = options.concurrency ?? defaultConcurrency;
    if (!Number.isInteger(this.#concurrency) || this.#concurrency < 1) {
      throw new RangeError(`concurrency is ${this.#concurrency}; it must be a positive integer`);
    }
    const outstanding = Math.min(this.#concurrency * 2, maxOutstanding);
    this.#scope = new Scope(closed);
    this.#settler = new Settler(link, options.subscription, Math.ceil(outstanding / 2), this.#scope.signal);
    this.#extender = new Extender(link, options.subscription, () => this.#heldIds());
    const request = {
      subscriptionId: options.subscription,
      maxOutstanding: outstanding,
      ...(options.includeRaw && { includeRaw: true }),
      ...(options.heartbeatIntervalMs && { heartbeatInterval: durationFromMs(options.heartbeatIntervalMs) }),
    };
    const ready = () => this.#readDeadline();
    this.#stream = new FrameStream(link, () => request, options.hooks ?? {}, this.#scope.signal, ready);
    closed.addEventListener("abort", this.#wake, { once: true });
    if (options.signal?.aborted) {
      this.#beginDrain();
    }
    options.signal?.addEventListener("abort", this.#beginDrain, { once: true });
  }

  /** Aborted when the drain begins. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** Returns a delivery that can be begun now, if there is one. */
  tryTake(): Held | undefined {
    if (this.draining.aborted || this.#failure || this.#working.size >= this.#concurrency) {
      return undefined;
    }
    for (const [key, held] of this.#waiting) {
      this.#waiting.delete(key);
      this.#working.add(held);
      return held;
    }
    return undefined;
  }

  /** Waits for a delivery that can be begun; undefined once draining. Throws what has ended the stream. */
  async take(): Promise<Held | undefined> {
    while (!this.draining.aborted) {
      this.#pump ??= this.#receive();
      const held = this.tryTake();
      if (held) {
        return held;
      }
      if (this.#failure) {
        throw this.#failure.error;
      }
      await new Promise<void>((resolve) => {
        this.#wakeTaker = resolve;
      });
    }
    return undefined;
  }

  /** Begins to drain. Idempotent. */
  stop(): void {
    this.#beginDrain();
  }

  /**
   * Waits for what was begun, sends the last settlements and waits for their results, gives back the rest, and ends. Throws if
   * the time was too short for what was begun; its events are then sent again.
   */
  async drain(): Promise<void> {
    this.#beginDrain();
    const timeoutMs = this.options.drainTimeoutMs ?? defaultDrainTimeoutMs;
    const deadline = Date.now() + timeoutMs;
    const idle = await within(timeoutMs, this.#allSettled());
    await this.#finish(Math.max(deadline - Date.now(), lastCallsMs));
    if (!idle) {
      throw new StrawError(
        "DEADLINE_EXCEEDED",
        `${this.#working.size} events were not settled within ${timeoutMs} ms; they will be sent again`,
      );
    }
  }

  /** Gives back whatever isn't settled, and ends. */
  async abandon(): Promise<void> {
    this.#beginDrain();
    for (const held of this.#working) {
      this.#waiting.set(keyOf(held.event), held);
    }
    await this.#finish(lastCallsMs);
  }

  /** Settles a delivery that was handed out. */
  settle(held: Held, how: NackOptions | undefined): Promise<AckStatus> {
    this.#working.delete(held);
    this.#wake();
    const confirmed = this.#settler.settle(held.ackId, how).then(
      (status) => {
        this.#report(() => this.options.hooks?.settled?.(held, status));
        return status;
      },
      (error: unknown) => {
        this.#fail(error);
        throw error;
      },
    );
    if (this.#working.size + this.#waiting.size === 0) {
      this.#settler.flush(); // nothing else is there to go along
    }
    confirmed.catch(() => undefined); // told by #fail to whoever takes next, if nobody waits for it
    return confirmed;
  }

  /** Tells the hook that a handler has thrown. */
  failed(held: Held, error: unknown): void {
    this.#report(() => this.options.hooks?.failed?.(held, error));
  }

  async #receive(): Promise<void> {
    try {
      for (let frame = await this.#stream.next(); frame; frame = await this.#stream.next()) {
        for (const delivery of frame.deliveries) {
          this.#hold(delivery);
        }
        if (frame.gap) {
          await this.options.onGap?.(frame.gap);
        }
        this.#wake();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #hold({ event, ackId, attempt }: WireDelivery): void {
    if (event) {
      this.#waiting.set(keyOf(event), new Held(this, event, ackId, attempt));
    }
  }

  async #readDeadline(): Promise<void> {
    const call = { signal: this.#scope.signal, timeoutMs: readyTimeoutMs };
    const request = { id: this.options.subscription };
    const { ackDeadline } = await this.link.channel.subscriptions.getSubscription(request, call);
    if (ackDeadline) {
      this.#extender.start(durationMs(ackDeadline));
    }
  }

  async #finish(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    await within(timeoutMs, this.#settler.idle());
    const released = [...this.#waiting.values()].map((held) => this.#settler.settle(held.ackId, { release: true }));
    this.#waiting.clear();
    await within(Math.max(deadline - Date.now(), 0), Promise.allSettled(released));
    // Last, for a stream that its consumer leaves returns what is unsettled as a failure.
    this.options.signal?.removeEventListener("abort", this.#beginDrain);
    this.#extender.stop();
    this.#scope.end(new StrawError("CANCELLED", "the consumer has ended before the gateway's answer"));
    this.#stream.close();
    this.link.close();
    await this.#pump;
  }

  async #allSettled(): Promise<void> {
    while (this.#working.size > 0 && !this.#scope.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wakeDrain = resolve;
      });
    }
  }

  #heldIds(): string[] {
    return [...this.#waiting.values(), ...this.#working].map((held) => held.ackId);
  }

  #report(hook: () => void): void {
    try {
      hook();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  readonly #wake = (): void => {
    this.#wakeTaker?.();
    this.#wakeDrain?.();
  };
}

class Held implements Delivery {
  #settlement: Promise<AckStatus> | undefined;

  constructor(
    private readonly consumer: Consumer,
    readonly event: Event,
    readonly ackId: string,
    readonly attempt: number,
  ) {}

  get settled(): boolean {
    return this.#settlement !== undefined;
  }

  get signal(): AbortSignal {
    return this.consumer.draining;
  }

  ack(): Promise<AckStatus> {
    return (this.#settlement ??= this.consumer.settle(this, undefined));
  }

  nack(how: NackOptions = {}): Promise<AckStatus> {
    return (this.#settlement ??= this.consumer.settle(this, how));
  }
}

function keyOf(event: Event): string {
  return `${event.source}/${event.id}`;
}
