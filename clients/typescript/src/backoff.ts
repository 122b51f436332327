import { setTimeout } from "node:timers/promises";

const minBackoff = 100;
const maxBackoff = 15_000;

/**
 * Returns how many milliseconds to wait after a number of failures in a row, from 1: a random time up to a bound that doubles
 * with each (full jitter), so that many clients of a gateway that was restarted don't come back at once.
 *
 * @internal
 */
export function jitter(failures: number): number {
  return Math.random() * Math.min(maxBackoff, minBackoff * 2 ** (failures - 1));
}

/**
 * Waits for milliseconds. Rejects with the signal's reason if that is aborted first.
 *
 * @internal
 */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
