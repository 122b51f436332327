import type { AckStatus, Delivery, NackOptions } from "./delivery.js";
import type { Event } from "./event.js";
import type { Delivery as WireDelivery } from "./gen/straw/v1/event_service_pb.js";

/** What to do with a delivery; undefined acknowledges it. */
export type Action = NackOptions | undefined;

/**
 * Settles a delivery that the program has.
 *
 * @internal
 */
export type Settle = (held: Held, action: Action) => Promise<AckStatus>;

/**
 * A delivery that is in the client.
 *
 * @internal
 */
export class Held implements Delivery {
  /** Set once it is settled and until that is confirmed. */
  settlement: { action: Action } | undefined;
  /** Set while the program has it. */
  begun = false;
  /** The event was sent again while its giving back wasn't confirmed. */
  successor: Held | undefined;
  #confirmed: Promise<AckStatus> | undefined;

  constructor(
    readonly event: Event,
    public ackId: string,
    public attempt: number,
    /** Number of the connection that brought it. */
    public connection: number,
    readonly signal: AbortSignal,
    private readonly settle: Settle,
  ) {}

  ack(): Promise<AckStatus> {
    return (this.#confirmed ??= this.settle(this, undefined));
  }

  nack(how: NackOptions = {}): Promise<AckStatus> {
    return (this.#confirmed ??= this.settle(this, how));
  }

  /** Makes it count for a later sending. Returns whether there was one, later than that of an ack id. */
  renew(ackId: string): boolean {
    if (this.successor) {
      this.ackId = this.successor.ackId;
      this.connection = this.successor.connection;
      this.successor = undefined;
    }
    return this.ackId !== ackId;
  }
}

/**
 * The deliveries in the client, each event once: queued, begun, or settled and not confirmed.
 *
 * @internal
 */
export class Holdings {
  /** Number of the current connection; 0 before the first. */
  connection = 0;
  readonly #held = new Map<string, Held>();
  #queue: Held[] = [];
  #begun = 0;

  constructor(
    private readonly signal: AbortSignal,
    private readonly settle: Settle,
  ) {}

  /** How many the program has. */
  get begun(): number {
    return this.#begun;
  }

  /**
   * Queues a delivery. One of an event that is here already only renews that: it was sent again because its connection was lost or
   * its deadline has passed. If the event was given back and that isn't confirmed, the confirmation will tell which came first.
   */
  receive({ event, ackId, attempt }: WireDelivery): void {
    if (!event) {
      return;
    }
    const held = new Held(event, ackId, attempt, this.connection, this.signal, this.settle);
    const old = this.#held.get(keyOf(event));
    if (!old || sought(held, old)) {
      this.#enqueue(held);
    } else if (old.settlement?.action) {
      old.successor = held;
    } else {
      old.ackId = ackId;
      old.connection = held.connection;
      if (!old.begun && !old.settlement) {
        old.attempt = attempt;
      }
    }
  }

  /** Returns the next one in the queue, which the program has from now on; undefined if there is none. */
  begin(): Held | undefined {
    const held = this.#queue.shift();
    if (held) {
      held.begun = true;
      this.#begun++;
    }
    return held;
  }

  /** Notes that the program has settled one. */
  settled(held: Held, action: Action): void {
    this.#begun -= Number(held.begun);
    held.begun = false;
    held.settlement = { action };
  }

  /** Forgets one whose settlement is confirmed, or never will be. */
  confirmed(held: Held): void {
    const key = keyOf(held.event);
    if (this.#held.get(key) === held) {
      this.#held.delete(key);
    }
    if (held.successor?.connection === this.connection) {
      this.#enqueue(held.successor);
    }
  }

  /** Forgets what was not begun: with its connection it is the gateway's again. */
  dropQueue(): void {
    for (const held of this.#queue.splice(0)) {
      this.#held.delete(keyOf(held.event));
    }
  }

  /** Takes what was not begun out of the queue. */
  takeQueue(): Held[] {
    return this.#queue.splice(0);
  }

  /** Returns what the program has. */
  listBegun(): Held[] {
    return [...this.#held.values()].filter((held) => held.begun);
  }

  /** Returns the ack ids of what isn't settled. */
  unsettled(): string[] {
    return [...this.#held.values()].filter((held) => !held.settlement).map((held) => held.ackId);
  }

  #enqueue(held: Held): void {
    this.#held.set(keyOf(held.event), held);
    this.#queue.push(held);
  }
}

/**
 * Tells whether an event comes anew because of a seek, and not because its delivery that is here was lost: attempts then begin
 * from 1 on the same stream.
 */
function sought(held: Held, old: Held): boolean {
  const queued = !old.begun && !old.settlement;
  return !queued && held.connection === old.connection && held.attempt <= old.attempt;
}

function keyOf(event: Event): string {
  return `${event.source}/${event.id}`;
}
