import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { ConsumeOptions } from "./consume-options.js";
import type { AckStatus } from "./delivery.js";
import { StrawError } from "./error.js";
import { Extender } from "./extender.js";
import { FrameStream } from "./frame-stream.js";
import { Holdings, type Action, type Held } from "./holdings.js";
import type { Hooks } from "./hooks.js";
import type { Link } from "./link.js";
import { Scope } from "./scope.js";
import { Settler } from "./settler.js";
import { within } from "./within.js";

const defaultConcurrency = 16;
const defaultDrainTimeoutMs = 30_000;
const maxOutstanding = 1_000;
const readyTimeoutMs = 20_000;
// How long confirming what was settled may take, once nothing is with the program any more.
const lastCallsMs = 10_000;

/**
 * A durable subscription's deliveries on their way through this process: received, begun, settled, confirmed. Its `take` isn't
 * for concurrent use.
 *
 * @internal
 */
export class Consumer {
  readonly #concurrency: number;
  readonly #drainTimeoutMs: number;
  readonly #scope: Scope;
  readonly #draining = new AbortController();
  readonly #holdings: Holdings;
  readonly #stream: FrameStream;
  readonly #settler: Settler;
  readonly #extender: Extender;
  #pump: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #awaitsEndOfTurn = false;
  #ending = false;
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
    this.#drainTimeoutMs = options.drainTimeoutMs ?? defaultDrainTimeoutMs;
    this.#scope = new Scope(closed);
    this.#holdings = new Holdings(this.#draining.signal, (held, action) => this.#settle(held, action));
    this.#settler = new Settler(link, options.subscription, this.#concurrency, this.#scope.signal);
    this.#extender = new Extender(link, options.subscription, () => this.#holdings.unsettled());
    this.#stream = this.#openStream();
    this.#scope.signal.addEventListener("abort", this.#wake, { once: true });
    if (options.signal?.aborted) {
      this.stop();
    }
    options.signal?.addEventListener("abort", this.stop, { once: true });
  }

  /** Begins a delivery that can be begun now, if there is one. */
  tryTake(): Held | undefined {
    if (this.#draining.signal.aborted || this.#failure || this.#holdings.begun >= this.#concurrency) {
      return undefined;
    }
    return this.#holdings.begin();
  }

  /** Waits for a delivery that can be begun; undefined once draining. Throws what has ended the stream. */
  async take(): Promise<Held | undefined> {
    while (!this.#draining.signal.aborted) {
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
  readonly stop = (): void => {
    this.#stream.last = true;
    this.#draining.abort(this.options.signal?.reason);
    this.#wake();
  };

  /**
   * Waits for what was begun, sends the last settlements and waits for their results, gives back the rest, and ends. Throws what
   * has failed before, and if the time was too short for what was begun, which is then given back too.
   */
  async drain(): Promise<void> {
    this.stop();
    const ended = await within(this.#drainTimeoutMs, this.#allSettled());
    const left = this.#holdings.begun;
    await this.abandon();
    if (this.#failure) {
      throw this.#failure.error;
    }
    if (!ended) {
      throw new StrawError(
        "DEADLINE_EXCEEDED",
        `${left} events were not settled within ${this.#drainTimeoutMs} ms; they were given back`,
      );
    }
  }

  /** Gives back whatever isn't settled, and ends. */
  async abandon(): Promise<void> {
    this.stop();
    for (const held of this.#holdings.listBegun()) {
      void held.nack({ release: true });
    }
    await within(lastCallsMs, this.#settleRest());
    // Last, for a stream that its consumer leaves returns what is unsettled as a failure.
    this.options.signal?.removeEventListener("abort", this.stop);
    this.#extender.stop();
    this.#ending = true;
    this.#scope.end(new StrawError("CANCELLED", "the consumer has ended before the gateway's answer"));
    this.#stream.close();
    this.link.close();
    await this.#pump;
  }

  /** Tells the hook that a handler has thrown. */
  failed(held: Held, error: unknown): void {
    this.#report(() => this.options.hooks?.failed?.(held, error));
  }

  #openStream(): FrameStream {
    const { subscription, includeRaw, heartbeatIntervalMs, hooks = {} } = this.options;
    const request = {
      subscriptionId: subscription,
      maxOutstanding: Math.min(this.#concurrency * 2, maxOutstanding),
      ...(includeRaw && { includeRaw }),
      ...(heartbeatIntervalMs !== undefined && { heartbeatInterval: durationFromMs(heartbeatIntervalMs) }),
    };
    const ownHooks: Hooks = {
      ...hooks,
      connected: (first) => {
        this.#holdings.connection++;
        hooks.connected?.(first);
      },
      disconnected: (error, retryInMs) => {
        this.#holdings.dropQueue();
        hooks.disconnected?.(error, retryInMs);
      },
    };
    const ready = () => this.#readDeadline();
    return new FrameStream(this.link, () => request, ownHooks, this.#scope.signal, ready);
  }

  async #receive(): Promise<void> {
    try {
      for (let frame = await this.#stream.next(); frame; frame = await this.#stream.next()) {
        for (const delivery of frame.deliveries) {
          this.#holdings.receive(delivery);
        }
        if (frame.gap) {
          await this.options.onGap?.(frame.gap);
        }
        this.#wake();
      }
    } catch (error) {
      if (!this.#ending) {
        this.#fail(error);
      }
    }
    this.#holdings.dropQueue();
  }

  async #readDeadline(): Promise<void> {
    const call = { signal: this.#scope.signal, timeoutMs: readyTimeoutMs };
    const request = { id: this.options.subscription };
    const { ackDeadline } = await this.link.channel.subscriptions.getSubscription(request, call);
    if (ackDeadline) {
      this.#extender.start(durationMs(ackDeadline));
    }
  }

  #settle(held: Held, action: Action): Promise<AckStatus> {
    const confirmed = this.#confirmation(held, action);
    confirmed.catch(() => undefined); // #fail tells it to whoever takes next, if nobody waits for this
    if (this.#holdings.begun === 0 && !this.#awaitsEndOfTurn) {
      // Unless more is begun in this turn of the event loop, nothing is left to go along.
      this.#awaitsEndOfTurn = true;
      setImmediate(() => {
        this.#awaitsEndOfTurn = false;
        if (this.#holdings.begun === 0) {
          this.#settler.flush();
        }
      });
    }
    this.#wake();
    return confirmed;
  }

  async #confirmation(held: Held, action: Action): Promise<AckStatus> {
    this.#holdings.settled(held, action);
    try {
      const status = await this.#settler.settle(held, action);
      this.#report(() => this.options.hooks?.settled?.(held, status));
      return status;
    } catch (error) {
      this.#fail(error);
      throw error;
    } finally {
      this.#holdings.confirmed(held);
      this.#wake();
    }
  }

  async #settleRest(): Promise<void> {
    await this.#settler.idle();
    for (const held of this.#holdings.takeQueue()) {
      this.#holdings.settled(held, { release: true });
      this.#settler.settle(held, { release: true }).catch(() => undefined);
    }
    await this.#settler.idle();
  }

  async #allSettled(): Promise<void> {
    while (this.#holdings.begun > 0 && !this.#scope.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wakeDrain = resolve;
      });
    }
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
