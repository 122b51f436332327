package dev.straw.client;

import io.grpc.Status;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;

/**
 * The messages of a durable subscription, over as many connections as that takes. Each is to be
 * settled by {@link Message#ack} or {@link Message#nack}, by any thread; until then it counts
 * towards the client's bound and its deadline is extended.
 *
 * <pre>{@code
 * try (MessageStream messages = client.consume(ConsumeOptions.of("billing"))) {
 *   for (Message message : messages) {
 *     bill(message.event());
 *     message.ack();
 *   }
 * }
 * }</pre>
 *
 * <p>For one thread, apart from {@link #stop} and {@link #close}.
 */
public final class MessageStream implements Iterator<Message>, Iterable<Message>, AutoCloseable {
  /** How long to wait for the last confirmations. */
  private static final Duration CONFIRMATION_PATIENCE = Duration.ofSeconds(10);

  private final Intake intake;
  private final CountDownLatch reading = new CountDownLatch(1);
  private Runnable forget = () -> {};
  private Message next; // was begun, and wasn't returned yet
  private volatile RuntimeException failure;

  private MessageStream(Intake intake) {
    this.intake = intake;
  }

  static MessageStream start(Intake intake, Registry registry) {
    MessageStream stream = new MessageStream(intake);
    stream.forget = registry.add(stream::close);
    intake.workers().execute(stream::run);
    return stream;
  }

  private void run() {
    try {
      intake.read(() -> {});
    } catch (RuntimeException e) {
      failure = e;
      intake.quiesce();
    } finally {
      reading.countDown();
    }
  }

  /**
   * Waits for the next message.
   *
   * @return whether there is one; false once the stream was stopped or closed
   * @throws StrawException what reconnecting can't help, or the thread was interrupted
   */
  @Override
  public boolean hasNext() {
    if (next == null) {
      try {
        next = intake.take();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new StrawException(
            Status.Code.CANCELLED, "the thread was interrupted while it waited for messages", e);
      }
    }
    if (next == null && failure != null) {
      throw failure;
    }
    return next != null;
  }

  /**
   * Waits for the next message, as {@link #hasNext} does, and returns it.
   *
   * @return the message, to be settled
   * @throws NoSuchElementException when there is none
   */
  @Override
  public Message next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the stream was stopped");
    }
    Message message = next;
    next = null;
    return message;
  }

  /**
   * Returns itself: the messages can be gone through once.
   *
   * @return this
   */
  @Override
  public Iterator<Message> iterator() {
    return this;
  }

  /**
   * Takes no more: {@link #hasNext} returns false. Messages that were returned can still be
   * settled. For a graceful end, any thread calls it, such as a shutdown hook, and the one that
   * iterates comes to its end and closes the stream.
   */
  public void stop() {
    intake.quiesce();
  }

  /**
   * Gives back every message that isn't settled, waits until the gateway has confirmed the others,
   * 10 s at most, and ends the subscription. Idempotent.
   */
  @Override
  public void close() {
    intake.quiesce();
    intake.stop();
    awaitUninterruptibly();
    intake.finish(CONFIRMATION_PATIENCE);
    forget.run();
  }

  /** Reading ends at once. */
  private void awaitUninterruptibly() {
    boolean interrupted = false;
    while (true) {
      try {
        reading.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
