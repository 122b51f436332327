package dev.straw.client;

import dev.straw.v1.ErrorReason;
import dev.straw.v1.EventServiceGrpc;
import dev.straw.v1.SubscribeRequest;
import dev.straw.v1.SubscribeResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The frames of one subscription, over as many connections as that takes. It never retries what a
 * retry can't help. One thread reads; any may stop it.
 */
final class FrameSource implements AutoCloseable {
  /** Assumed of a gateway that doesn't announce one. */
  private static final long DEFAULT_HEARTBEAT = TimeUnit.SECONDS.toNanos(15);

  /** How long connecting may take; the gateway sends its first frame at once. */
  private static final long FIRST_FRAME_PATIENCE = TimeUnit.SECONDS.toNanos(20);

  private final GatewayChannel channel;
  private final SubscribeRequest request;
  private final Hooks hooks;

  private final ReentrantLock reading = new ReentrantLock();
  private final CountDownLatch stopped = new CountDownLatch(1);
  private volatile StreamCall<SubscribeRequest, SubscribeResponse> call; // null between connections

  // Of the reader:
  private String cursor = ""; // everything up to here is processed; empty before the first frame
  private boolean connected; // a first frame came, on any connection
  private int frames; // on this connection
  private long patience;
  private int failures; // in a row
  private Duration pause = Duration.ZERO; // asked for by a gateway going away

  FrameSource(GatewayChannel channel, SubscribeRequest request, Hooks hooks) {
    this.channel = channel;
    this.request = request;
    this.hooks = hooks;
  }

  /** Tells from where the next connection goes on. An empty cursor changes nothing. */
  void processed(String upTo) {
    if (!upTo.isEmpty()) {
      cursor = upTo;
    }
  }

  /**
   * Waits for the next frame.
   *
   * @return null if the source was stopped, or has come to the end that was asked for
   * @throws StrawException what a retry can't help, or the thread was interrupted
   */
  SubscribeResponse next() {
    reading.lock();
    try {
      while (!isStopped()) {
        SubscribeResponse frame = tryNext();
        if (frame != null) {
          return frame;
        }
      }
      return null;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StrawException(
          Status.Code.CANCELLED, "the thread was interrupted while it waited for events", e);
    } finally {
      reading.unlock();
    }
  }

  private SubscribeResponse tryNext() throws InterruptedException {
    SubscribeResponse frame;
    try {
      if (call == null) {
        connect();
      }
      frame = receive();
    } catch (StrawException e) {
      disconnect();
      if (!isStopped()) {
        retreat(e);
      }
      return null;
    }
    if (frame != null) {
      report(frame);
    }
    return frame;
  }

  private void connect() {
    SubscribeRequest.Builder next = request.toBuilder();
    if (!cursor.isEmpty()) {
      next.setAfter(cursor);
    }
    frames = 0;
    patience = FIRST_FRAME_PATIENCE;
    call = new StreamCall<>(channel.current(), EventServiceGrpc.getSubscribeMethod(), next.build());
  }

  /**
   * Returns null if the source was stopped meanwhile. The program may take any time; only waiting
   * is timed.
   */
  private SubscribeResponse receive() throws InterruptedException {
    long deadline = 0;
    while (!isStopped()) {
      SubscribeResponse frame = call.take();
      if (frame != null) {
        note(frame);
        return frame;
      }
      if (call.ended()) {
        end();
        return null;
      }
      long now = System.nanoTime();
      deadline = deadline == 0 ? now + patience : deadline;
      if (!call.await(deadline - now)) {
        channel.renew(call.channel());
        throw new StrawException(
            Status.Code.UNAVAILABLE, "no frame came in time, so the connection is taken for dead");
      }
    }
    return null;
  }

  private void end() {
    if (!call.endedWell()) {
      throw call.failure();
    }
    if (!request.getEndAtHead()) {
      throw new StrawException(
          Status.Code.UNAVAILABLE, "the stream ended without a reason, although it was not to end");
    }
    stopped.countDown();
  }

  private void note(SubscribeResponse frame) {
    frames++;
    if (frames == 1) {
      connected = true;
      long interval = Durations.nanos(frame.getHeartbeatInterval());
      patience = (interval > 0 ? interval : DEFAULT_HEARTBEAT) / 2 * 5;
    } else {
      // Not with the first frame, or a stream that always dies at one event would be retried at
      // full speed.
      failures = 0;
    }
    if (frame.hasGoingAway()) {
      pause = Duration.ofNanos(Durations.nanos(frame.getGoingAway().getRetryDelay()));
    }
  }

  /** A frame on which a hook has failed is lost to the program, so nothing may come after it. */
  private void report(SubscribeResponse frame) {
    boolean done = false;
    try {
      if (frames == 1) {
        hooks.connected(frame);
      }
      hooks.frame(frame);
      done = true;
    } finally {
      if (!done) {
        stop();
      }
    }
  }

  /** Waits before the next connection, or throws if that can't help. */
  private void retreat(StrawException cause) throws InterruptedException {
    if (!recoverable(cause)) {
      stopped.countDown();
      throw cause;
    }
    failures++;
    Duration wait = pause.plus(Backoff.after(failures));
    pause = Duration.ZERO;
    hooks.disconnected(cause, wait);
    stopped.await(wait.toNanos(), TimeUnit.NANOSECONDS);
    channel.forgetFailure();
  }

  private boolean recoverable(StrawException e) {
    ErrorReason reason = e.reason();
    if (reason == ErrorReason.TOO_MANY_STREAMS || reason == ErrorReason.RATE_LIMITED) {
      // The gateway may not yet know that the stream before is lost. At the first try it is simply
      // so.
      return connected;
    }
    return e.retryable();
  }

  private void disconnect() {
    StreamCall<?, ?> last = call;
    call = null;
    if (last != null) {
      last.cancel();
    }
  }

  boolean isStopped() {
    return stopped.getCount() == 0;
  }

  /**
   * Makes {@link #next} return null, at once and for ever. The connection stays open until the
   * source is closed.
   */
  void stop() {
    stopped.countDown();
    StreamCall<?, ?> current = call;
    if (current != null) {
      current.wake();
    }
  }

  /** Stops, and ends the connection. Idempotent. */
  @Override
  public void close() {
    stop();
    reading.lock();
    try {
      disconnect();
    } finally {
      reading.unlock();
    }
  }
}
