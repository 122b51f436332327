package dev.straw.client;

import dev.straw.v1.AckResult;
import dev.straw.v1.SubscribeResponse;
import java.time.Duration;

/**
 * Is told what a subscription or a consumer does, for logs and metrics. Its methods are called by
 * the thread that reads, one at a time, and should return soon; what they throw ends the
 * subscription. {@link #settled} is called by any thread; what it throws is logged.
 */
public interface Hooks {
  /** Does nothing. */
  Hooks NONE = new Hooks() {};

  /**
   * A connection has brought its first frame.
   *
   * @param first that frame
   */
  default void connected(SubscribeResponse first) {}

  /**
   * A connection was lost, or couldn't be made, and there will be another.
   *
   * @param cause why
   * @param retryIn how long until the next
   */
  default void disconnected(StrawException cause, Duration retryIn) {}

  /**
   * A frame came; its events are delivered next. Called for a connection's first frame too.
   *
   * @param frame the frame
   */
  default void frame(SubscribeResponse frame) {}

  /**
   * The gateway has answered an acknowledgement or a nack.
   *
   * @param message what was settled
   * @param status what became of it
   */
  default void settled(Message message, AckResult.Status status) {}
}
