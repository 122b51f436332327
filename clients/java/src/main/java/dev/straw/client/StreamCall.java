package dev.straw.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.ArrayDeque;
import java.util.Deque;

/** One call that brings a stream of messages. For one thread, apart from {@link #wake}. */
final class StreamCall<Q, R> {
  /**
   * Messages on the way while one is worked on. They are decoded when they are asked for, or the
   * call is cancelled.
   */
  private static final int WINDOW = 4;

  private final ManagedChannel channel;
  private final Mailbox mailbox = new Mailbox();
  private final Deque<R> messages = new ArrayDeque<>();
  private final ClientCall<Q, R> call;
  private Status status; // null until the call has ended
  private Metadata trailers;

  StreamCall(ManagedChannel channel, MethodDescriptor<Q, R> method, Q request) {
    this.channel = channel;
    call = channel.newCall(method, CallOptions.DEFAULT.withExecutor(mailbox));
    call.start(new Listener(), new Metadata());
    call.request(WINDOW);
    call.sendMessage(request);
    call.halfClose();
  }

  private final class Listener extends ClientCall.Listener<R> {
    @Override
    public void onMessage(R message) {
      messages.add(message);
    }

    @Override
    public void onClose(Status ended, Metadata with) {
      status = ended;
      trailers = with;
    }
  }

  ManagedChannel channel() {
    return channel;
  }

  /** Waits for something to happen to the call; false if nothing did in time. */
  boolean await(long nanos) throws InterruptedException {
    return mailbox.runNext(nanos);
  }

  /** Takes the next message that is there; null if there is none. */
  R take() {
    R message = messages.poll();
    if (message != null) {
      call.request(1);
    }
    return message;
  }

  /** Whether the call has ended and brings nothing more, once {@link #take} has returned null. */
  boolean ended() {
    return status != null;
  }

  boolean endedWell() {
    return status != null && status.isOk();
  }

  StrawException failure() {
    return StrawException.of(status, trailers, null);
  }

  /** Any thread may end a wait. */
  void wake() {
    mailbox.wake();
  }

  void cancel() {
    call.cancel("the client has ended this call", null);
    mailbox.detach();
  }
}
