import type { Event, Frame, Gap } from "./event.js";
import type { Delivery } from "./gen/straw/v1/event_service_pb.js";
import { SerialIterator } from "./iterator.js";
import type { Subscription } from "./subscription.js";

/**
 * A loop over events. An event counts as processed once the next one is asked for.
 *
 * @internal
 */
export class EventIterator extends SerialIterator<Event> {
  #deliveries: readonly Delivery[] = [];
  // Of the deliveries, the next one to yield.
  #index = 0;
  // What the program works on.
  #event: Event | undefined;
  // Of the frame whose deliveries these are.
  #cursor = "";

  constructor(
    private readonly subscription: Subscription,
    private readonly onGap: (gap: Gap) => void | Promise<void>,
  ) {
    super();
  }

  protected override take(): Event | undefined {
    if (this.#event) {
      this.subscription.processed(this.#event.cursor);
    }
    return (this.#event = this.subscription.aborted ? undefined : this.#deliveries[this.#index++]?.event);
  }

  protected override async wait(): Promise<Event | undefined> {
    for (;;) {
      if (!this.subscription.aborted) {
        this.subscription.processed(this.#cursor);
      }
      this.#cursor = "";
      const frame = await this.subscription.next();
      if (!frame) {
        return undefined;
      }
      if (frame.gap) {
        await this.onGap(frame.gap);
      }
      this.#deliveries = frame.deliveries;
      this.#index = 0;
      this.#cursor = frame.cursor;
      const event = this.take();
      if (event) {
        return event;
      }
    }
  }

  protected override interrupt(): void {
    this.subscription.abort();
  }

  protected override finish(): Promise<void> {
    return this.subscription.end();
  }
}

/**
 * A loop over frames. A frame counts as processed once the next one is asked for.
 *
 * @internal
 */
export class FrameIterator extends SerialIterator<Frame> {
  #frame: Frame | undefined;

  constructor(private readonly subscription: Subscription) {
    super();
  }

  protected override take(): undefined {
    if (this.#frame) {
      this.subscription.processed(this.#frame.cursor);
      this.#frame = undefined;
    }
  }

  protected override async wait(): Promise<Frame | undefined> {
    this.#frame = await this.subscription.next();
    return this.#frame;
  }

  protected override interrupt(): void {
    this.subscription.abort();
  }

  protected override finish(): Promise<void> {
    return this.subscription.end();
  }
}
