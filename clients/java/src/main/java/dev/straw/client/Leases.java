package dev.straw.client;

import dev.straw.v1.ExtendDeadlineRequest;
import dev.straw.v1.ExtendDeadlineResponse;
import dev.straw.v1.GetSubscriptionRequest;
import dev.straw.v1.Subscription;
import dev.straw.v1.SubscriptionServiceGrpc;
import dev.straw.v1.SubscriptionServiceGrpc.SubscriptionServiceStub;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Extends the deadlines of the messages that the client has, every third of the subscription's ack
 * deadline. What can't be extended is no error: it is sent again, and the program's acknowledgement
 * counts all the same.
 */
final class Leases {
  private static final int MAX_BATCH = 1000;
  private static final long CALL_SECONDS = 10;

  /** Before the subscription's own is known. */
  private static final long DEFAULT_THIRD = TimeUnit.SECONDS.toNanos(10);

  private final GatewayChannel channel;
  private final Workers workers;
  private final String subscription;
  private final Supplier<List<String>> held;
  private long third = DEFAULT_THIRD; // guarded by this, as is what follows
  private int round; // of extensions; only the newest goes on
  private boolean closed;

  Leases(
      GatewayChannel channel, Workers workers, String subscription, Supplier<List<String>> held) {
    this.channel = channel;
    this.workers = workers;
    this.subscription = subscription;
    this.held = held;
  }

  /** Asks for the ack deadline anew, with each connection: it may have been changed. */
  void connected() {
    stub()
        .getSubscription(
            GetSubscriptionRequest.newBuilder().setId(subscription).build(), answer(this::learn));
    begin();
  }

  private void learn(Subscription answer) {
    long nanos = Durations.nanos(answer.getAckDeadline());
    synchronized (this) {
      if (nanos > 0) {
        third = nanos / 3;
      }
    }
    begin();
  }

  private void begin() {
    int mine;
    long wait;
    synchronized (this) {
      round++;
      mine = round;
      wait = third;
    }
    schedule(mine, wait);
  }

  private void schedule(int mine, long wait) {
    workers.schedule(() -> extend(mine), wait, TimeUnit.NANOSECONDS);
  }

  private void extend(int mine) {
    long wait;
    synchronized (this) {
      if (closed || mine != round) {
        return;
      }
      wait = third;
    }
    schedule(mine, wait);
    List<String> ids = held.get();
    for (int from = 0; from < ids.size(); from += MAX_BATCH) {
      send(ids.subList(from, Math.min(from + MAX_BATCH, ids.size())));
    }
  }

  private void send(List<String> ids) {
    channel.forgetFailure();
    stub()
        .extendDeadline(
            ExtendDeadlineRequest.newBuilder()
                .setSubscriptionId(subscription)
                .addAllAckIds(ids)
                .build(),
            answer((ExtendDeadlineResponse done) -> {}));
  }

  private SubscriptionServiceStub stub() {
    return SubscriptionServiceGrpc.newStub(channel)
        .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS);
  }

  private static <R> StreamObserver<R> answer(Consumer<R> answered) {
    return new StreamObserver<>() {
      @Override
      public void onNext(R answer) {
        answered.accept(answer);
      }

      /** There will be another try, in a third of the deadline or with the next connection. */
      @Override
      public void onError(Throwable failure) {}

      @Override
      public void onCompleted() {}
    };
  }

  synchronized void close() {
    closed = true;
  }
}
