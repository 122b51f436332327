package dev.straw.client;

import dev.straw.v1.AckResult;
import dev.straw.v1.AcknowledgeRequest;
import dev.straw.v1.AcknowledgeResponse;
import dev.straw.v1.NackResponse;
import dev.straw.v1.SubscriptionServiceGrpc;
import dev.straw.v1.SubscriptionServiceGrpc.SubscriptionServiceStub;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * Sends acknowledgements and nacks, gathered, one call at a time, and repeats a call until the
 * gateway has answered it. It never waits for messages that the program isn't at work on.
 */
final class Settler {
  private static final int MAX_BATCH = 1000;
  private static final long LINGER_MILLIS = 10;
  private static final long CALL_SECONDS = 20;

  /** Is told what became of a message. */
  interface Outcome {
    /** A null nack was an acknowledgement. */
    void confirmed(Message message, Nack nack, AckResult.Status status);

    /** The gateway has refused the call, or wasn't asked any more. */
    void failed(Message message, StrawException failure);
  }

  private record Request(Message message, Nack nack) {}

  private final GatewayChannel channel;
  private final Workers workers;
  private final String subscription;
  private final Outcome outcome;

  // Guarded by this:
  private final Deque<Request> queue = new ArrayDeque<>();
  private List<Request> sent = List.of(); // and not answered; there is one call at a time
  private int atWork; // messages that may still be settled
  private boolean scheduled;
  private boolean closed;

  Settler(GatewayChannel channel, Workers workers, String subscription, Outcome outcome) {
    this.channel = channel;
    this.workers = workers;
    this.subscription = subscription;
    this.outcome = outcome;
  }

  /** Tells that there are messages more that may be settled. */
  synchronized void expect(int messages) {
    atWork += messages;
  }

  void add(Message message, Nack nack) {
    boolean accepted;
    boolean full;
    synchronized (this) {
      atWork--;
      accepted = !closed;
      full = queue.size() + 1 >= MAX_BATCH || atWork <= 0;
      if (accepted) {
        queue.add(new Request(message, nack));
      }
      if (accepted && !full && sent.isEmpty()) {
        linger();
      }
    }
    if (!accepted) {
      outcome.failed(message, tooLate());
    } else if (full) {
      flush();
    }
  }

  private void linger() {
    if (!scheduled) {
      scheduled = true;
      workers.schedule(this::flushInTime, LINGER_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  private void flushInTime() {
    synchronized (this) {
      scheduled = false;
    }
    flush();
  }

  private void flush() {
    List<Request> batch;
    synchronized (this) {
      if (closed || !sent.isEmpty() || queue.isEmpty()) {
        return;
      }
      batch = takeBatch();
      sent = batch;
    }
    send(batch, 1);
  }

  /** Takes what is settled in the same way as the first. */
  private List<Request> takeBatch() {
    Nack nack = queue.element().nack();
    List<Request> batch = new ArrayList<>();
    Iterator<Request> rest = queue.iterator();
    while (rest.hasNext() && batch.size() < MAX_BATCH) {
      Request request = rest.next();
      if (Objects.equals(request.nack(), nack)) {
        batch.add(request);
        rest.remove();
      }
    }
    return batch;
  }

  private void send(List<Request> batch, int tryNumber) {
    ManagedChannel connection = channel.current();
    SubscriptionServiceStub stub =
        SubscriptionServiceGrpc.newStub(connection)
            .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS);
    List<String> ids = batch.stream().map(request -> request.message().ackId()).toList();
    Nack nack = batch.get(0).nack();
    if (nack == null) {
      AcknowledgeRequest request =
          AcknowledgeRequest.newBuilder().setSubscriptionId(subscription).addAllAckIds(ids).build();
      stub.acknowledge(
          request, new Answer<>(batch, tryNumber, connection, AcknowledgeResponse::getResultsList));
    } else {
      stub.nack(
          nack.request().toBuilder().setSubscriptionId(subscription).addAllAckIds(ids).build(),
          new Answer<>(batch, tryNumber, connection, NackResponse::getResultsList));
    }
  }

  private final class Answer<R> implements StreamObserver<R> {
    private final List<Request> batch;
    private final int tryNumber;
    private final ManagedChannel connection;
    private final java.util.function.Function<R, List<AckResult>> results;
    private R answer;

    Answer(
        List<Request> batch,
        int tryNumber,
        ManagedChannel connection,
        java.util.function.Function<R, List<AckResult>> results) {
      this.batch = batch;
      this.tryNumber = tryNumber;
      this.connection = connection;
      this.results = results;
    }

    @Override
    public void onNext(R message) {
      answer = message;
    }

    @Override
    public void onError(Throwable failure) {
      failed(batch, tryNumber, connection, StrawException.from(failure));
    }

    @Override
    public void onCompleted() {
      answered(batch, results.apply(answer));
    }
  }

  private void answered(List<Request> batch, List<AckResult> results) {
    if (results.size() != batch.size()) {
      String sentence =
          "the gateway has answered " + results.size() + " results for " + batch.size() + " ids";
      refused(batch, new StrawException(Status.Code.DATA_LOSS, sentence));
      return;
    }
    for (int i = 0; i < batch.size(); i++) {
      Request request = batch.get(i);
      outcome.confirmed(request.message(), request.nack(), results.get(i).getStatus());
    }
    done();
  }

  private void failed(
      List<Request> batch, int tryNumber, ManagedChannel connection, StrawException failure) {
    if (failure.retryable() && !isClosed()) {
      if (failure.code() == Status.Code.DEADLINE_EXCEEDED) {
        channel.renew(connection);
      }
      workers.schedule(
          () -> repeat(batch, tryNumber + 1),
          Backoff.after(tryNumber).toNanos(),
          TimeUnit.NANOSECONDS);
      return;
    }
    refused(batch, failure);
  }

  private void refused(List<Request> batch, StrawException failure) {
    batch.forEach(request -> outcome.failed(request.message(), failure));
    done();
  }

  private void repeat(List<Request> batch, int tryNumber) {
    channel.forgetFailure();
    send(batch, tryNumber);
  }

  private void done() {
    synchronized (this) {
      sent = List.of();
      notifyAll();
    }
    flush(); // what has gathered meanwhile has waited long enough
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  /** Waits until everything that was settled is confirmed. False if it took too long. */
  synchronized boolean awaitConfirmations(long nanos) throws InterruptedException {
    long deadline = System.nanoTime() + nanos;
    while (!queue.isEmpty() || !sent.isEmpty()) {
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        return false;
      }
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
    return true;
  }

  /** Fails what isn't confirmed, and whatever is settled from now on. */
  void close() {
    List<Request> left = new ArrayList<>();
    synchronized (this) {
      closed = true;
      left.addAll(sent);
      left.addAll(queue);
      queue.clear();
      notifyAll();
    }
    left.forEach(request -> outcome.failed(request.message(), tooLate()));
  }

  private static StrawException tooLate() {
    return new StrawException(
        Status.Code.CANCELLED, "the consumer was closed before the gateway has confirmed this");
  }
}
