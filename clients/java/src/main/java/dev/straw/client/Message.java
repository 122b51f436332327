package dev.straw.client;

import dev.straw.v1.AckResult;
import dev.straw.v1.Delivery;
import dev.straw.v1.Event;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An event of a durable subscription that is to be settled: acknowledged or given back. Until then
 * the client extends its deadline. Any thread may settle it; the first to do so decides.
 */
public final class Message {
  private final Settler settler;
  private final CompletableFuture<AckResult.Status> confirmation = new CompletableFuture<>();
  private final AtomicBoolean settled = new AtomicBoolean();

  private volatile Delivery delivery;
  private boolean begun; // guarded by the intake, as is what follows
  private Delivery successor; // sent again while the program was at work

  Message(Delivery delivery, Settler settler) {
    this.delivery = delivery;
    this.settler = settler;
  }

  /**
   * What happened.
   *
   * @return the event; its payload case is {@code PAYLOAD_NOT_SET} if it is newer than this client
   */
  public Event event() {
    return delivery.getEvent();
  }

  /**
   * Which sending of the event this is. After a crash of the gateway it may be too low, never too
   * high.
   *
   * @return from 1
   */
  public int attempt() {
    return delivery.getAttempt();
  }

  /**
   * What names this sending to the gateway.
   *
   * @return opaque
   */
  public String ackId() {
    return delivery.getAckId();
  }

  /**
   * Acknowledges the message: it is done.
   *
   * @return as {@link #confirmation}
   */
  public CompletableFuture<AckResult.Status> ack() {
    settle(null);
    return confirmation();
  }

  /**
   * Gives the message back.
   *
   * @param how when it is to be sent again, and why
   * @return as {@link #confirmation}
   */
  public CompletableFuture<AckResult.Status> nack(Nack how) {
    settle(how);
    return confirmation();
  }

  /**
   * What the gateway has made of the settlement, durably. {@code ACKED} and {@code ALREADY_ACKED}
   * are success. {@code STALE}: the event was sent again meanwhile, or the subscription was moved;
   * {@code INVALID}: the subscription was made anew. A {@link StrawException} if the gateway has
   * refused the call, or the client was closed before it has answered.
   *
   * @return a future that can't be completed from outside
   */
  public CompletableFuture<AckResult.Status> confirmation() {
    return confirmation.copy();
  }

  /**
   * Whether the message was acknowledged or given back, confirmed or not.
   *
   * @return true once that was asked for
   */
  public boolean isSettled() {
    return settled.get();
  }

  /** A null nack acknowledges. Does nothing if it is settled. */
  void settle(Nack nack) {
    if (settled.compareAndSet(false, true)) {
      settler.add(this, nack);
    }
  }

  boolean confirm(AckResult.Status status) {
    return confirmation.complete(status);
  }

  void fail(StrawException e) {
    confirmation.completeExceptionally(e);
  }

  void begin() {
    begun = true;
  }

  /**
   * The gateway has sent the event again: to take the place of the first sending, unless the
   * program has begun with that.
   */
  void sentAgain(Delivery again) {
    if (begun) {
      successor = again;
    } else {
      delivery = again;
    }
  }

  Delivery successor() {
    return successor;
  }

  /** Names the sending that counts for the gateway. */
  String leaseId() {
    return successor == null ? ackId() : successor.getAckId();
  }
}
