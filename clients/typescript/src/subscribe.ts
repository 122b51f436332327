import type { Event, Frame, Gap } from "./event.js";
import { SerialIterator } from "./iterator.js";
import type { Subscription } from "./subscription.js";

/**
 * A loop over events. An event counts as processed once the next one is asked for.
 *
 * @internal
 */
export class EventIterator extends SerialIterator<Event> {
  #frame: Frame | undefined;
  // Of the frame's deliveries, the next one to yield.
  #index = 0;

  constructor(
    private readonly subscription: Subscription,
    private readonly onGap: (gap: Gap) => void | Promise<void>,
  ) {
    super();
  }

  protected override take(): Event | undefined {
    this.#processed();
    if (this.subscription.aborted) {
      return undefined;
    }
    return this.#frame?.deliveries[this.#index++]?.event;
  }

  protected override async wait(): Promise<Event | undefined> {
    for (;;) {
      if (this.#frame && !this.subscription.aborted) {
        this.subscription.processed(this.#frame.cursor);
      }
      this.#frame = undefined;
      const frame = await this.subscription.next();
      if (!frame) {
        return undefined;
      }
      if (frame.gap) {
        await this.onGap(frame.gap);
      }
      this.#frame = frame;
      this.#index = 0;
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

  #processed(): void {
    const event = this.#frame?.deliveries[this.#index - 1]?.event;
    if (event) {
      this.subscription.processed(event.cursor);
    }
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
