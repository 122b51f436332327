package dev.straw.client;

import dev.straw.v1.Event;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/** Hands a stream's events to a subscriber, as many as that has asked for. It holds one thread. */
final class Delivering implements Flow.Subscription, Runnable {
  private final EventStream stream;
  private final Flow.Subscriber<? super Event> subscriber;
  private final CompletableFuture<Void> completion = new CompletableFuture<>();
  private volatile Thread thread;

  private long demand; // guarded by this, as is what follows
  private boolean cancelled;
  private IllegalArgumentException misuse;

  Delivering(EventStream stream, Flow.Subscriber<? super Event> subscriber) {
    this.stream = stream;
    this.subscriber = subscriber;
  }

  @Override
  public void run() {
    thread = Thread.currentThread();
    Throwable failure = deliver();
    try {
      tellEnd(failure);
    } finally {
      thread = null;
      if (failure == null) {
        completion.complete(null);
      } else {
        completion.completeExceptionally(failure);
      }
    }
  }

  /** Returns why the subscription has failed, or null. */
  private Throwable deliver() {
    try (stream) {
      subscriber.onSubscribe(this);
      while (stream.hasNext() && awaitDemand()) {
        subscriber.onNext(stream.next());
        stream.markProcessed();
      }
      return misuse();
    } catch (ListenerFailure e) {
      return e.getCause();
    } catch (Throwable e) {
      return e;
    }
  }

  private void tellEnd(Throwable failure) {
    if (failure != null) {
      subscriber.onError(failure);
    } else if (!isCancelled()) {
      subscriber.onComplete();
    }
  }

  /** Carries what a listener has thrown, which may be checked. */
  static final class ListenerFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    ListenerFailure(Exception cause) {
      super(cause);
    }
  }

  /** False if the subscriber wants no more. */
  private synchronized boolean awaitDemand() {
    try {
      while (demand == 0 && !cancelled) {
        wait();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StrawException(
          Status.Code.CANCELLED, "the thread was interrupted while it waited to deliver events", e);
    }
    if (cancelled) {
      return false;
    }
    if (demand != Long.MAX_VALUE) {
      demand--;
    }
    return true;
  }

  @Override
  public void request(long n) {
    synchronized (this) {
      if (n > 0) {
        demand = demand + n < 0 ? Long.MAX_VALUE : demand + n;
        notifyAll();
        return;
      }
      misuse = new IllegalArgumentException("request(" + n + "): ask for one event at least");
    }
    cancel();
  }

  @Override
  public void cancel() {
    synchronized (this) {
      cancelled = true;
      notifyAll();
    }
    stream.stop();
  }

  private synchronized boolean isCancelled() {
    return cancelled;
  }

  private synchronized Throwable misuse() {
    return misuse;
  }

  CompletableFuture<Void> completion() {
    return completion;
  }

  /** Returns at once if the subscriber itself waits. */
  void awaitEnd() {
    if (thread != Thread.currentThread()) {
      completion.handle((done, failure) -> null).join();
    }
  }
}
