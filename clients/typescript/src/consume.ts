import type { Consumer } from "./consumer.js";
import type { Delivery } from "./delivery.js";
import type { Held } from "./holdings.js";
import { SerialIterator } from "./iterator.js";

/** Works on an event. Returning acknowledges it and throwing gives it back, unless it has settled the delivery itself. */
export type Handler = (delivery: Delivery) => void | Promise<void>;

/**
 * Calls a handler with each delivery until the consumer drains. Throws what has ended the stream, once the handlers have ended.
 *
 * @internal
 */
export async function consume(consumer: Consumer, handler: Handler): Promise<void> {
  try {
    for (let taken = await consumer.take(); taken; taken = consumer.tryTake() ?? (await consumer.take())) {
      void handle(consumer, handler, taken);
    }
  } finally {
    await consumer.drain();
  }
}

async function handle(consumer: Consumer, handler: Handler, taken: Held): Promise<void> {
  try {
    await handler(taken);
    void taken.ack();
  } catch (error) {
    consumer.failed(taken, error);
    void taken.nack({ reason: error instanceof Error ? error.message : String(error) });
  }
}

/**
 * A loop over deliveries, which the program settles by itself.
 *
 * @internal
 */
export class DeliveryIterator extends SerialIterator<Delivery> {
  constructor(private readonly consumer: Consumer) {
    super();
  }

  protected override take(): Delivery | undefined {
    return this.consumer.tryTake();
  }

  protected override wait(): Promise<Delivery | undefined> {
    return this.consumer.take();
  }

  protected override interrupt(): void {
    this.consumer.stop();
  }

  protected override finish(left: boolean): Promise<void> {
    return left ? this.consumer.abandon() : this.consumer.drain();
  }
}
