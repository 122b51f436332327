package dev.straw.client;

import dev.straw.v1.Event;

/** Is handed the events of a subscription. Its methods are called one at a time. */
@FunctionalInterface
public interface EventListener {
  /**
   * Handles an event, which is processed once this returns.
   *
   * @param event the event; its payload case is {@code PAYLOAD_NOT_SET} if it is newer than this
   *     client
   * @throws Exception ends the subscription: the event isn't processed, and {@link #onError} is
   *     told
   */
  void onEvent(Event event) throws Exception;

  /** The subscription has ended as it was asked to. The last call. */
  default void onEnd() {}

  /**
   * The subscription has failed. The last call. {@link EventSubscription#completion} says the same.
   *
   * @param failure what {@link EventStream#hasNext} or {@link #onEvent} has thrown
   */
  default void onError(Throwable failure) {}
}
