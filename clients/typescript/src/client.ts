import type { Client } from "@connectrpc/connect";
import { DEFAULT_ADDRESS } from "./address.js";
import { channelFactory, type Channel } from "./channel.js";
import type { ConsumeOptions } from "./consume-options.js";
import { consume, DeliveryIterator, type Handler } from "./consume.js";
import { Consumer } from "./consumer.js";
import type { Delivery } from "./delivery.js";
import { Download, type DownloadOptions } from "./download.js";
import { StrawError } from "./error.js";
import type { Event, Frame } from "./event.js";
import type { EventService } from "./gen/straw/v1/event_service_pb.js";
import type { ExportService } from "./gen/straw/v1/export_service_pb.js";
import type { GatewayService } from "./gen/straw/v1/gateway_service_pb.js";
import type { SubscriptionService } from "./gen/straw/v1/subscription_service_pb.js";
import { Link } from "./link.js";
import type { ClientOptions } from "./options.js";
import { EventIterator, FrameIterator } from "./subscribe.js";
import type { FramesOptions, SubscribeOptions } from "./subscribe-options.js";
import { Subscription } from "./subscription.js";

/** What ends a subscription from outside. */
export interface Cancellation {
  /** Ends the subscription, which then throws the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Calls one gateway. One per program is enough: its calls share a connection. It opens that with the first call; a gateway that
 * isn't there shows then.
 */
export class StrawClient {
  readonly #open: () => Channel;
  readonly #channel: Channel;
  readonly #closed = new AbortController();

  /**
   * @param address - `host:port`, default `127.0.0.1:9090`
   * @param options - how to connect; by default plaintext to a loopback address and TLS to anything else
   */
  constructor(address: string = DEFAULT_ADDRESS, options: ClientOptions = {}) {
    this.#open = channelFactory(address, options);
    this.#channel = this.#open();
  }

  /** EventService as generated. Its `subscribe` doesn't reconnect; the client's own does. */
  get events(): Client<typeof EventService> {
    return this.#channel.events;
  }

  /** SubscriptionService as generated: manages durable subscriptions and dead letters. */
  get subscriptions(): Client<typeof SubscriptionService> {
    return this.#channel.subscriptions;
  }

  /** ExportService as generated. Its `downloadExport` doesn't resume; the client's `download` does. */
  get exports(): Client<typeof ExportService> {
    return this.#channel.exports;
  }

  /** GatewayService as generated. */
  get gateway(): Client<typeof GatewayService> {
    return this.#channel.gateway;
  }

  /**
   * Streams events in log order, each once, and reconnects by itself. The gateway is called when a loop begins; each loop over the
   * result is a subscription of its own.
   *
   * An event counts as processed once the loop asks for the next one. Leaving the loop by `break`, `return` or an exception leaves
   * the event unprocessed: it comes again with the next subscription that goes on from the saved cursor.
   *
   * Ends without an error only with `endAtHead`. Otherwise throws the signal's reason, a StrawError that a retry can't help, or what
   * the cursor store, `onGap` or a hook has thrown.
   */
  subscribe(options: SubscribeOptions = {}, { signal }: Cancellation = {}): AsyncIterable<Event> {
    const onGap = typeof options.onGap === "function" ? options.onGap : () => undefined;
    return {
      [Symbol.asyncIterator]: () => new EventIterator(this.#subscription(options, signal), onGap),
    };
  }

  /**
   * `subscribe` with whole frames: heartbeats, gaps, and how much is left to read (`backlog`; zero means caught up) are visible. A
   * frame counts as processed once the loop asks for the next one.
   */
  frames(options: FramesOptions = {}, { signal }: Cancellation = {}): AsyncIterable<Frame> {
    return {
      [Symbol.asyncIterator]: () => new FrameIterator(this.#subscription(options, signal)),
    };
  }

  /**
   * Calls a handler with each delivery of a durable subscription, several at once. A delivery is acknowledged when its handler
   * returns, and given back when it throws. Resolves once the signal was aborted and the consumer has drained.
   *
   * Rejects with a StrawError that a retry can't help, once the handlers have ended; with one of code `DEADLINE_EXCEEDED` if they
   * hadn't within the drain timeout; or with what `onGap` or a hook has thrown.
   */
  async consume(options: ConsumeOptions, handler: Handler): Promise<void> {
    await consume(this.#consumer(options), handler);
  }

  /**
   * The deliveries of a durable subscription, which the loop settles with `ack` and `nack`. It waits while as many as `concurrency`
   * are unsettled, so that `void work(delivery)` in its body is bounded.
   *
   * The loop ends, after a drain, when the signal is aborted. Leaving it otherwise gives back what isn't settled. Throws as
   * `consume` rejects.
   */
  deliveries(options: ConsumeOptions): AsyncIterable<Delivery> {
    return {
      [Symbol.asyncIterator]: () => new DeliveryIterator(this.#consumer(options)),
    };
  }

  /**
   * Begins to download an export's newest generation; resolves once its size and checksum are known. Errors: `EXPORT_NOT_FOUND`,
   * `EXPORT_NOT_AVAILABLE`, `STORE_CORRUPT`, and those of `Download`.
   */
  download(id: string, options: DownloadOptions = {}): Promise<Download> {
    return Download.begin(this.#channel, id, options, this.#closed.signal);
  }

  /** Ends the client's subscriptions, consumers and calls with `CANCELLED`. To drain a consumer, abort its signal first. */
  close(): void {
    this.#closed.abort(new StrawError("CANCELLED", "the client was closed"));
    this.#channel.close();
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #subscription(options: SubscribeOptions | FramesOptions, signal: AbortSignal | undefined): Subscription {
    return new Subscription(this.#link(), options, signal, this.#closed.signal);
  }

  #consumer(options: ConsumeOptions): Consumer {
    return new Consumer(this.#link(), options, this.#closed.signal);
  }

  #link(): Link {
    return new Link(this.#channel, this.#open);
  }
}
