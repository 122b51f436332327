import type { Link } from "./link.js";

// The most that one call takes.
const maxBatch = 10_000;

/**
 * Keeps deliveries from being sent again while they are worked on: every third of the subscription's deadline it asks for a full
 * one.
 *
 * @internal
 */
export class Extender {
  #timer: NodeJS.Timeout | undefined;
  #deadlineMs = 0;
  #calling = false;

  /** @param held - returns the ack ids of what isn't settled */
  constructor(
    private readonly link: Link,
    private readonly subscriptionId: string,
    private readonly held: () => string[],
  ) {}

  /** Sets the subscription's deadline, and starts. */
  start(deadlineMs: number): void {
    if (deadlineMs === this.#deadlineMs) {
      return;
    }
    this.stop();
    this.#deadlineMs = deadlineMs;
    this.#timer = setInterval(() => void this.#extend(deadlineMs / 3), deadlineMs / 3);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#deadlineMs = 0;
  }

  async #extend(timeoutMs: number): Promise<void> {
    const ackIds = this.held();
    if (this.#calling || ackIds.length === 0) {
      return;
    }
    this.#calling = true;
    try {
      for (let i = 0; i < ackIds.length; i += maxBatch) {
        const request = { subscriptionId: this.subscriptionId, ackIds: ackIds.slice(i, i + maxBatch) };
        await this.link.channel.subscriptions.extendDeadline(request, { timeoutMs });
      }
    } catch {
      // The next call extends as much. A delivery whose deadline passes is sent again.
    } finally {
      this.#calling = false;
    }
  }
}
