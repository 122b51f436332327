package dev.straw.client;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Consumes a durable subscription with a handler. It runs until it is closed, or fails with what
 * reconnecting can't help, such as a deleted subscription.
 *
 * <p>Closing drains: no handler is begun any more, those that run come to their end, what they have
 * settled is confirmed by the gateway, and what was not begun is given back to it, for other
 * consumers. A program that is to end well on SIGTERM closes its consumer in a shutdown hook.
 */
public final class Consumer implements AutoCloseable {
  /** How long to wait for the last confirmations, however long the handlers took. */
  private static final Duration CONFIRMATION_PATIENCE = Duration.ofSeconds(10);

  private final Intake intake;
  private final ConsumeOptions options;
  private final MessageHandler handler;
  private final CompletableFuture<Void> completion = new CompletableFuture<>();
  private final Set<Thread> handling = ConcurrentHashMap.newKeySet();
  private Runnable forget = () -> {};

  private int running; // handlers; guarded by this, as is what follows
  private boolean draining;
  private long drainDeadline;

  private Consumer(Intake intake, ConsumeOptions options, MessageHandler handler) {
    this.intake = intake;
    this.options = options;
    this.handler = handler;
  }

  static Consumer start(
      Intake intake, Registry registry, ConsumeOptions options, MessageHandler handler) {
    Consumer consumer = new Consumer(intake, options, handler);
    consumer.forget = registry.add(consumer::close);
    intake.workers().execute(consumer::run);
    return consumer;
  }

  private void run() {
    Throwable failure = null;
    try {
      intake.read(this::dispatch);
    } catch (RuntimeException | Error e) {
      failure = e;
    }
    drain();
    try {
      awaitHandlers();
      intake.finish(CONFIRMATION_PATIENCE);
    } finally {
      forget.run();
      if (failure == null) {
        completion.complete(null);
      } else {
        completion.completeExceptionally(failure);
      }
    }
  }

  private synchronized void dispatch() {
    while (running < options.concurrency()) {
      Message message = next();
      if (message == null) {
        return;
      }
      running++;
      intake.workers().execute(() -> work(message));
    }
  }

  private synchronized Message next() {
    return draining ? null : intake.poll();
  }

  /** Handles messages for as long as there are any. */
  private void work(Message first) {
    handling.add(Thread.currentThread());
    for (Message message = first; message != null; message = nextOrLeave()) {
      handle(message);
    }
  }

  private synchronized Message nextOrLeave() {
    Message message = next();
    if (message == null) {
      handling.remove(Thread.currentThread());
      running--;
      stopIfDrained();
      notifyAll();
    }
    return message;
  }

  private void handle(Message message) {
    try {
      handler.handle(message);
      message.settle(null);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      message.settle(Nack.retry().because("the handler was interrupted"));
    } catch (Throwable e) {
      String text = e.getMessage();
      message.settle(Nack.retry().because(text == null ? e.getClass().getName() : text));
    }
  }

  /** Begins to end, within the drain timeout. */
  private synchronized void drain() {
    if (draining) {
      return;
    }
    draining = true;
    long timeout = options.drainTimeout().toNanos();
    drainDeadline = System.nanoTime() + timeout;
    intake.workers().schedule(intake::stop, timeout, TimeUnit.NANOSECONDS);
    stopIfDrained();
  }

  /** Reading goes on while handlers run: what the gateway sends meanwhile is given back too. */
  private void stopIfDrained() {
    if (draining && running == 0) {
      intake.stop();
    }
  }

  private synchronized void awaitHandlers() {
    try {
      for (long left = drainDeadline - System.nanoTime();
          running > 0 && left > 0;
          left = drainDeadline - System.nanoTime()) {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Is completed when the consumer has ended, with what it has failed with, if anything.
   *
   * @return a future that can't be completed from outside
   */
  public CompletableFuture<Void> completion() {
    return completion.copy();
  }

  /**
   * Waits until the consumer has ended.
   *
   * @throws InterruptedException if the thread is interrupted; the consumer goes on
   * @throws StrawException what the consumer has failed with
   */
  public void awaitTermination() throws InterruptedException {
    try {
      completion.get();
    } catch (ExecutionException e) {
      throw failure(e.getCause());
    }
  }

  /**
   * Waits until the consumer has ended, for some time.
   *
   * @param timeout how long at most
   * @return whether it has ended
   * @throws InterruptedException if the thread is interrupted; the consumer goes on
   * @throws StrawException what the consumer has failed with
   */
  public boolean awaitTermination(Duration timeout) throws InterruptedException {
    try {
      completion.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw failure(e.getCause());
    }
  }

  private static RuntimeException failure(Throwable cause) {
    if (cause instanceof StrawException e) {
      return e;
    }
    return new CompletionException(cause);
  }

  /**
   * Drains the consumer, and returns when that is done: after the drain timeout and 10 s at most. A
   * handler that calls this, and has to end first, doesn't wait. What the consumer has failed with
   * isn't thrown here. Idempotent.
   */
  @Override
  public void close() {
    drain();
    if (!handling.contains(Thread.currentThread())) {
      completion.handle((done, failure) -> null).join();
    }
  }
}
