package dev.straw.client;

import java.util.concurrent.CompletableFuture;

/** A subscription that hands its events to a listener. */
public final class EventSubscription implements AutoCloseable {
  private final Delivering delivering;

  EventSubscription(Delivering delivering) {
    this.delivering = delivering;
  }

  /**
   * Is completed after the listener's last call, with what the subscription has failed with, if
   * anything.
   *
   * @return a future that can't be completed from outside
   */
  public CompletableFuture<Void> completion() {
    return delivering.completion().copy();
  }

  /**
   * Ends the subscription. Returns when the listener is done with the event at hand and the
   * position is saved; at once, if the listener itself calls it. Idempotent.
   */
  @Override
  public void close() {
    delivering.cancel();
    delivering.awaitEnd();
  }
}
