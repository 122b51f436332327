package dev.straw.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How long to wait before trying again: a random time up to a bound that doubles with each failure
 * (full jitter), so that many clients of a gateway that was restarted don't come back at once.
 */
final class Backoff {
  private static final long MIN_NANOS = Duration.ofMillis(100).toNanos();
  private static final long MAX_NANOS = Duration.ofSeconds(15).toNanos();

  private Backoff() {}

  /** The wait after a number of failures in a row, from 1. */
  static Duration after(int failures) {
    int doublings = Math.min(failures - 1, 8);
    long bound = Math.min(MIN_NANOS << doublings, MAX_NANOS);
    return Duration.ofNanos(ThreadLocalRandom.current().nextLong(bound));
  }
}
