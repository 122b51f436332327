package dev.straw.client;

import com.google.protobuf.Timestamp;
import dev.straw.v1.StartPosition;
import dev.straw.v1.SubscribeRequest;
import java.time.Instant;
import java.util.function.Consumer;

/** Where a subscription begins. Immutable. */
public final class Start {
  private static final Start EARLIEST = position(StartPosition.EARLIEST);
  private static final Start LATEST = position(StartPosition.LATEST);

  private final Consumer<SubscribeRequest.Builder> apply;

  private Start(Consumer<SubscribeRequest.Builder> apply) {
    this.apply = apply;
  }

  private static Start position(StartPosition position) {
    return new Start(request -> request.setStartPosition(position));
  }

  /**
   * The oldest event that the log still has.
   *
   * @return that place
   */
  public static Start earliest() {
    return EARLIEST;
  }

  /**
   * What is appended from now on.
   *
   * @return that place
   */
  public static Start latest() {
    return LATEST;
  }

  /**
   * Strictly after a cursor, of any event or frame.
   *
   * @param cursor not empty
   * @return that place
   * @throws IllegalArgumentException if the cursor is empty
   */
  public static Start after(String cursor) {
    if (cursor.isEmpty()) {
      throw new IllegalArgumentException("the cursor to start after is empty: was it ever saved?");
    }
    return new Start(request -> request.setAfter(cursor));
  }

  /**
   * The first event that was received at or after a time.
   *
   * @param time not in the future
   * @return that place
   */
  public static Start at(Instant time) {
    Timestamp timestamp =
        Timestamp.newBuilder().setSeconds(time.getEpochSecond()).setNanos(time.getNano()).build();
    return new Start(request -> request.setStartTime(timestamp));
  }

  void apply(SubscribeRequest.Builder request) {
    apply.accept(request);
  }
}
