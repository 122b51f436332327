package dev.straw.client;

import com.google.protobuf.ByteString;
import dev.straw.v1.NackRequest;
import java.time.Duration;

/** How a message is given back. Immutable. */
public final class Nack {
  /** The gateway takes no longer reasons. */
  private static final int MAX_REASON_BYTES = 1024;

  private final NackRequest request;

  private Nack(NackRequest.Builder request) {
    this.request = request.build();
  }

  /**
   * A failure; the event is sent again after the subscription's backoff.
   *
   * @return that way
   */
  public static Nack retry() {
    return new Nack(NackRequest.newBuilder());
  }

  /**
   * A failure; the event is sent again after a delay.
   *
   * @param delay not negative
   * @return that way
   */
  public static Nack retryAfter(Duration delay) {
    return new Nack(NackRequest.newBuilder().setRetryDelay(Durations.toMessage(delay)));
  }

  /**
   * The event is dead-lettered now.
   *
   * @return that way
   */
  public static Nack deadLetter() {
    return new Nack(NackRequest.newBuilder().setDeadLetter(true));
  }

  /**
   * No failure: the event is sent again at once, to any consumer.
   *
   * @return that way
   */
  public static Nack release() {
    return new Nack(NackRequest.newBuilder().setRelease(true));
  }

  /**
   * Adds why, for people; it is kept with a dead letter.
   *
   * @param reason cut at 1,024 bytes of UTF-8
   * @return that way, for that reason
   */
  public Nack because(String reason) {
    return new Nack(request.toBuilder().setReason(cut(reason)));
  }

  private static String cut(String text) {
    ByteString bytes = ByteString.copyFromUtf8(text);
    int end = Math.min(bytes.size(), MAX_REASON_BYTES);
    // A continuation byte at the end would cut a character.
    while (end < bytes.size() && (bytes.byteAt(end) & 0xc0) == 0x80) {
      end--;
    }
    return bytes.substring(0, end).toStringUtf8();
  }

  NackRequest request() {
    return request;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Nack nack && request.equals(nack.request);
  }

  @Override
  public int hashCode() {
    return request.hashCode();
  }

  @Override
  public String toString() {
    return "Nack{" + request.toString().strip().replace('\n', ' ') + "}";
  }
}
