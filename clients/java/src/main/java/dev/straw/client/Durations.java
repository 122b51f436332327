package dev.straw.client;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Between the durations of Java and those of messages. */
final class Durations {
  private Durations() {}

  static com.google.protobuf.Duration toMessage(Duration duration) {
    return com.google.protobuf.Duration.newBuilder()
        .setSeconds(duration.getSeconds())
        .setNanos(duration.getNano())
        .build();
  }

  /** Zero if it isn't set. */
  static long nanos(com.google.protobuf.Duration duration) {
    return TimeUnit.SECONDS.toNanos(duration.getSeconds()) + duration.getNanos();
  }
}
