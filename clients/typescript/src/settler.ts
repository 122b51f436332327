import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { jitter, sleep } from "./backoff.js";
import type { AckStatus, NackOptions } from "./delivery.js";
import { toStrawError } from "./error.js";
import { AckResult_Status, type AckResult } from "./gen/straw/v1/subscription_service_pb.js";
import type { Action, Held } from "./holdings.js";
import type { Link } from "./link.js";

const maxWaitMs = 10;
const maxBatch = 1_000;
const callTimeoutMs = 10_000;
const maxReasonBytes = 1_024;

interface Settlement {
  held: Held;
  action: Action;
  // Equal for those that one call can settle.
  key: string;
  resolve: (status: AckStatus) => void;
  reject: (error: unknown) => void;
}

/**
 * Settles the deliveries of one subscription: gathers them, makes one call at a time, and repeats it until it is answered.
 *
 * @internal
 */
export class Settler {
  #queue: Settlement[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  /**
   * @param eager - so many don't wait for more
   * @param signal - gives up what isn't answered
   */
  constructor(
    private readonly link: Link,
    private readonly subscriptionId: string,
    private readonly eager: number,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves with the gateway's answer. Rejects if it refused the call, or with the signal's reason. */
  settle(held: Held, action: Action): Promise<AckStatus> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ held, action, key: keyOf(action), resolve, reject });
      if (this.#queue.length >= Math.min(this.eager, maxBatch)) {
        this.flush();
      } else {
        this.#timer ??= setTimeout(() => {
          this.flush();
        }, maxWaitMs);
      }
    });
  }

  /** Waits for no more. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running ??= this.#run();
  }

  /** Resolves once everything is answered. */
  async idle(): Promise<void> {
    this.flush();
    await this.#running;
  }

  async #run(): Promise<void> {
    // What is settled in the same turn of the event loop goes along.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#settleBatch(batch);
      } catch (error) {
        for (const settlement of batch) {
          settlement.reject(error);
        }
      }
    }
    this.#running = undefined;
  }

  #nextBatch(): Settlement[] {
    const key = this.#queue[0]?.key;
    const batch: Settlement[] = [];
    this.#queue = this.#queue.filter((settlement) => {
      if (settlement.key !== key || batch.length === maxBatch) {
        return true;
      }
      batch.push(settlement);
      return false;
    });
    return batch;
  }

  async #settleBatch(batch: Settlement[]): Promise<void> {
    for (let failures = 1; ; failures++) {
      this.signal.throwIfAborted();
      const ackIds = batch.map(({ held }) => held.ackId);
      try {
        const results = await this.#call(ackIds, batch[0]?.action);
        batch.forEach((settlement, i) => {
          this.#confirm(settlement, ackIds[i] ?? "", statusOf(results[i]));
        });
        return;
      } catch (thrown) {
        this.signal.throwIfAborted();
        const error = toStrawError(thrown);
        if (!error.retryable && error.reason !== "RATE_LIMITED") {
          throw error;
        }
        await sleep(jitter(failures), this.signal);
      }
    }
  }

  #confirm(settlement: Settlement, ackId: string, status: AckStatus): void {
    if (status === "STALE" && settlement.held.renew(ackId)) {
      this.#queue.push(settlement); // the event was sent again meanwhile: this settles that
    } else {
      settlement.resolve(status);
    }
  }

  async #call(ackIds: string[], action: Action): Promise<AckResult[]> {
    const { subscriptions } = this.link.channel;
    const options = { timeoutMs: callTimeoutMs, signal: this.signal };
    const request = { subscriptionId: this.subscriptionId, ackIds };
    if (!action) {
      return (await subscriptions.acknowledge(request, options)).results;
    }
    const reason = cut(action.reason ?? "");
    return (await subscriptions.nack({ ...request, reason, action: nackField(action) }, options)).results;
  }
}

function keyOf(action: Action): string {
  return action ? JSON.stringify(action) : "";
}

function nackField(how: NackOptions) {
  if ("deadLetter" in how) {
    return { case: "deadLetter", value: true } as const;
  }
  if ("release" in how) {
    return { case: "release", value: true } as const;
  }
  return how.retryDelayMs === undefined
    ? { case: undefined }
    : ({ case: "retryDelay", value: durationFromMs(how.retryDelayMs) } as const);
}

function statusOf(result: AckResult | undefined): AckStatus {
  switch (result?.status) {
    case AckResult_Status.ACKED:
      return "ACKED";
    case AckResult_Status.ALREADY_ACKED:
      return "ALREADY_ACKED";
    case AckResult_Status.STALE:
      return "STALE";
    default:
      return "INVALID";
  }
}

/** Cuts a text to what the gateway takes, between two characters. */
function cut(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= maxReasonBytes) {
    return reason;
  }
  let end = maxReasonBytes;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) {
    end--;
  }
  return bytes.toString("utf8", 0, end);
}
