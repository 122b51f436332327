package dev.straw.client;

import dev.straw.v1.AckResult;
import dev.straw.v1.Delivery;
import dev.straw.v1.Event;
import dev.straw.v1.ExtendDeadlineRequest;
import dev.straw.v1.SubscribeResponse;
import dev.straw.v1.SubscriptionServiceGrpc;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * The messages of a durable subscription that this client has: read by one thread, begun by others,
 * and here until they are confirmed. An event that the gateway sends again while it is here isn't
 * handed out a second time.
 */
final class Intake implements Settler.Outcome {
  private static final System.Logger LOG = System.getLogger(Intake.class.getName());

  /** How many confirmed events are remembered: one may have been sent again just before. */
  private static final int MEMORY = 1000;

  private static final long CHECK_SECONDS = 10;

  private record Key(String source, String id) {
    static Key of(Event event) {
      return new Key(event.getSource(), event.getId());
    }
  }

  private final GatewayChannel channel;
  private final Workers workers;
  private final ConsumeOptions options;
  private final FrameSource source;
  private final Settler settler;
  private final Leases leases;
  private volatile Runnable onReady = () -> {};

  private final Map<Key, Message> held = new HashMap<>(); // guarded by this, as is all that follows
  private final Deque<Message> ready = new ArrayDeque<>();
  private final Map<Key, Boolean> acked =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, Boolean> eldest) {
          return size() > MEMORY;
        }
      };
  private boolean quiet; // no message is begun any more

  Intake(GatewayChannel channel, Workers workers, ConsumeOptions options) {
    this.channel = channel;
    this.workers = workers;
    this.options = options;
    source = new FrameSource(channel, options.request(), options.hooks());
    settler = new Settler(channel, workers, options.subscription(), this);
    leases = new Leases(channel, workers, options.subscription(), this::leaseIds);
  }

  Workers workers() {
    return workers;
  }

  /**
   * Reads until it is stopped, and calls {@code onReady} whenever there may be a message to begin.
   */
  void read(Runnable onReady) {
    this.onReady = onReady;
    for (SubscribeResponse frame = source.next(); frame != null; frame = source.next()) {
      if (frame.hasHeartbeatInterval()) {
        leases.connected();
      }
      if (frame.hasGap()) {
        options.gapHandler().accept(frame.getGap());
      }
      if (frame.getDeliveriesCount() > 0) {
        frame.getDeliveriesList().forEach(this::admit);
        onReady.run();
      }
    }
  }

  private void admit(Delivery delivery) {
    Key key = Key.of(delivery.getEvent());
    boolean doubtful;
    synchronized (this) {
      Message here = held.get(key);
      if (here != null) {
        here.sentAgain(delivery);
        return;
      }
      doubtful = acked.containsKey(key);
    }
    // Sent again just before its acknowledgement arrived, or owed again since a seek.
    if (!doubtful || isOwed(delivery)) {
      add(key, delivery);
    }
  }

  private synchronized void add(Key key, Delivery delivery) {
    Message message = new Message(delivery, settler);
    settler.expect(1);
    held.put(key, message);
    ready.add(message);
    notifyAll();
  }

  private boolean isOwed(Delivery delivery) {
    try {
      return SubscriptionServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(CHECK_SECONDS, TimeUnit.SECONDS)
              .extendDeadline(
                  ExtendDeadlineRequest.newBuilder()
                      .setSubscriptionId(options.subscription())
                      .addAckIds(delivery.getAckId())
                      .build())
              .getResults(0)
              .getStatus()
          != AckResult.Status.ALREADY_ACKED;
    } catch (StatusRuntimeException e) {
      return true; // better twice than never
    }
  }

  @Override
  public void confirmed(Message message, Nack nack, AckResult.Status status) {
    boolean gone =
        status == AckResult.Status.ALREADY_ACKED
            || nack == null && status == AckResult.Status.ACKED;
    forget(message, gone);
    if (message.confirm(status)) {
      report(message, status);
    }
  }

  @Override
  public void failed(Message message, StrawException failure) {
    forget(message, false);
    message.fail(failure);
  }

  /** What isn't gone may have been sent again. */
  private void forget(Message message, boolean gone) {
    Key key = Key.of(message.event());
    synchronized (this) {
      if (!held.remove(key, message)) {
        return;
      }
      Delivery successor = message.successor();
      if (gone) {
        acked.put(key, true);
      } else if (successor != null) {
        add(key, successor);
      }
    }
    onReady.run();
  }

  /** A hook must not keep others from being confirmed. */
  private void report(Message message, AckResult.Status status) {
    try {
      options.hooks().settled(message, status);
    } catch (RuntimeException e) {
      LOG.log(System.Logger.Level.WARNING, "the hook for settled messages has failed", e);
    }
  }

  private synchronized List<String> leaseIds() {
    return held.values().stream()
        .filter(message -> !message.isSettled())
        .map(Message::leaseId)
        .toList();
  }

  /** Begins with the next message; null if there is none. */
  synchronized Message poll() {
    Message message = ready.poll();
    if (message != null) {
      message.begin();
    }
    return message;
  }

  /** Waits for the next message and begins with it; null if none is to be begun any more. */
  synchronized Message take() throws InterruptedException {
    while (ready.isEmpty() && !quiet) {
      wait();
    }
    return quiet ? null : poll();
  }

  /**
   * Makes {@link #take} return null. Reading goes on: what the gateway sends meanwhile is given
   * back too.
   */
  synchronized void quiesce() {
    quiet = true;
    notifyAll();
  }

  /**
   * Ends the reading. The connection stays open, or the gateway would take what is here for lost.
   */
  void stop() {
    source.stop();
  }

  /** Gives back what isn't settled, waits for all confirmations, and ends the connection. */
  void finish(Duration patience) {
    List<Message> open;
    synchronized (this) {
      open = List.copyOf(held.values());
      ready.clear();
    }
    open.forEach(message -> message.settle(Nack.release()));
    try {
      settler.awaitConfirmations(patience.toNanos());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      leases.close();
      settler.close();
      source.close();
    }
  }
}
