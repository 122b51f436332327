package dev.straw.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Duration;
import dev.straw.v1.AckResult;
import dev.straw.v1.Backoff;
import dev.straw.v1.CreateSubscriptionRequest;
import dev.straw.v1.DeadLetter;
import dev.straw.v1.DeleteSubscriptionRequest;
import dev.straw.v1.ErrorReason;
import dev.straw.v1.GetSubscriptionRequest;
import dev.straw.v1.ListDeadLettersRequest;
import dev.straw.v1.StartPosition;
import dev.straw.v1.SubscribeResponse;
import dev.straw.v1.Subscription;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Durable consumers of a real gateway. */
@Timeout(60)
class ConsumerTest {
  @TempDir private Path folder;
  private Gateway gateway;
  private StrawClient client;

  @BeforeEach
  void start() throws Exception {
    gateway = Gateway.start(folder);
    client = gateway.client();
  }

  @AfterEach
  void stop() {
    client.close();
    gateway.close();
  }

  /** Creates the subscription {@code work}, from the earliest event. */
  private void subscription(int ackDeadlineSeconds) {
    subscription(ackDeadlineSeconds, 3);
  }

  private void subscription(int ackDeadlineSeconds, int maxAttempts) {
    Subscription subscription =
        Subscription.newBuilder()
            .setId("work")
            .setStartPosition(StartPosition.EARLIEST)
            .setAckDeadline(seconds(ackDeadlineSeconds))
            .setMaxAttempts(maxAttempts)
            .setRetryBackoff(
                Backoff.newBuilder()
                    .setMin(Duration.newBuilder().setNanos(1_000_000))
                    .setMax(Duration.newBuilder().setNanos(2_000_000)))
            .build();
    client
        .subscriptions()
        .createSubscription(
            CreateSubscriptionRequest.newBuilder().setSubscription(subscription).build());
  }

  private static Duration seconds(int seconds) {
    return Duration.newBuilder().setSeconds(seconds).build();
  }

  private Subscription now() {
    return client
        .subscriptions()
        .getSubscription(GetSubscriptionRequest.newBuilder().setId("work").build());
  }

  private static List<String> ids(int from, int to) {
    return IntStream.rangeClosed(from, to).mapToObj(i -> "evt_" + i).sorted().toList();
  }

  /** Notes what was handled and what was confirmed, and waits for the latter. */
  private static final class Ledger implements Hooks {
    final List<String> handled = Collections.synchronizedList(new ArrayList<>());
    final Map<String, AckResult.Status> confirmed = new ConcurrentHashMap<>();
    final CountDownLatch all;
    final AtomicInteger connections = new AtomicInteger();

    Ledger(int events) {
      all = new CountDownLatch(events);
    }

    void note(Message message) {
      handled.add(message.event().getId());
    }

    @Override
    public void connected(SubscribeResponse first) {
      connections.incrementAndGet();
    }

    @Override
    public void settled(Message message, AckResult.Status status) {
      if (confirmed.put(message.event().getId(), status) == null) {
        all.countDown();
      }
    }

    List<String> sorted() {
      synchronized (handled) {
        return handled.stream().sorted().toList();
      }
    }
  }

  @Test
  void whatWasHandledIsConfirmed() throws Exception {
    gateway.analyses(1, 100);
    subscription(30);
    Ledger ledger = new Ledger(100);
    AtomicInteger running = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    ConsumeOptions options = ConsumeOptions.builder("work").concurrency(4).hooks(ledger).build();
    try (Consumer consumer =
        client.consume(
            options,
            message -> {
              most.accumulateAndGet(running.incrementAndGet(), Math::max);
              ledger.note(message);
              running.decrementAndGet();
            })) {
      ledger.all.await();
      assertFalse(consumer.awaitTermination(java.time.Duration.ZERO));
    }
    assertEquals(ids(1, 100), ledger.sorted());
    assertTrue(most.get() <= 4, "at once: " + most);
    assertTrue(ledger.confirmed.values().stream().allMatch(AckResult.Status.ACKED::equals));
    assertEquals(0, now().getBacklog());
  }

  @Test
  void whatFailsComesAgainAndIsThenADeadLetter() throws Exception {
    gateway.analyses(1, 3);
    subscription(30);
    Map<String, List<Integer>> attempts = new ConcurrentHashMap<>();
    CountDownLatch given = new CountDownLatch(5);
    Hooks hooks =
        new Hooks() {
          @Override
          public void settled(Message message, AckResult.Status status) {
            given.countDown();
          }
        };
    try (Consumer consumer =
        client.consume(
            ConsumeOptions.builder("work").hooks(hooks).build(),
            message -> {
              attempts
                  .computeIfAbsent(message.event().getId(), id -> new ArrayList<>())
                  .add(message.attempt());
              switch (message.event().getId()) {
                case "evt_1" -> throw new Exception("it is a poison");
                case "evt_2" -> message.nack(Nack.deadLetter().because("é".repeat(2000)));
                default -> {}
              }
            })) {
      given.await();
      assertFalse(consumer.completion().isDone());
    }
    assertEquals(
        Map.of("evt_1", List.of(1, 2, 3), "evt_2", List.of(1), "evt_3", List.of(1)), attempts);
    Map<String, String> reasons = new ConcurrentHashMap<>();
    for (DeadLetter letter :
        client
            .subscriptions()
            .listDeadLetters(ListDeadLettersRequest.newBuilder().setSubscriptionId("work").build())
            .getDeadLettersList()) {
      reasons.put(letter.getEvent().getId(), letter.getReason());
    }
    assertEquals(Map.of("evt_1", "it is a poison", "evt_2", "é".repeat(512)), reasons);
  }

  /** The deadline is a second; the handler ends after two redeliveries would have been due. */
  @Test
  void deadlinesAreExtendedWhileAHandlerRuns() throws Exception {
    gateway.analyses(1, 1);
    subscription(1);
    Ledger ledger = new Ledger(1);
    CountDownLatch heartbeats = new CountDownLatch(4); // one a second
    Hooks hooks =
        new Hooks() {
          @Override
          public void frame(SubscribeResponse frame) {
            heartbeats.countDown();
          }

          @Override
          public void settled(Message message, AckResult.Status status) {
            ledger.settled(message, status);
          }
        };
    ConsumeOptions options =
        ConsumeOptions.builder("work")
            .heartbeatInterval(java.time.Duration.ofSeconds(1))
            .hooks(hooks)
            .build();
    try (Consumer consumer =
        client.consume(
            options,
            message -> {
              ledger.note(message);
              heartbeats.await();
            })) {
      ledger.all.await();
      assertFalse(consumer.completion().isDone());
    }
    assertEquals(List.of("evt_1"), ledger.handled);
    assertEquals(Map.of("evt_1", AckResult.Status.ACKED), ledger.confirmed);
  }

  @Test
  void closingFinishesWhatWasBegunAndGivesBackTheRest() throws Exception {
    gateway.analyses(1, 40);
    subscription(60);
    Ledger first = new Ledger(40);
    CountDownLatch begun = new CountDownLatch(4);
    CountDownLatch goOn = new CountDownLatch(1);
    Consumer consumer =
        client.consume(
            ConsumeOptions.builder("work").concurrency(4).hooks(first).build(),
            message -> {
              first.note(message);
              begun.countDown();
              goOn.await();
            });
    begun.await();
    Thread closing = new Thread(consumer::close);
    closing.start();
    Until.holds(() -> closing.getState() == Thread.State.WAITING);
    goOn.countDown();
    closing.join();
    assertTrue(consumer.completion().isDone());
    assertEquals(4, first.handled.size());
    first.handled.forEach(id -> assertEquals(AckResult.Status.ACKED, first.confirmed.get(id)));
    Ledger second = new Ledger(36);
    try (Consumer rest =
        client.consume(ConsumeOptions.builder("work").hooks(second).build(), second::note)) {
      second.all.await();
      assertFalse(rest.completion().isDone());
    }
    List<String> all = new ArrayList<>(first.handled);
    all.addAll(second.handled);
    assertEquals(ids(1, 40), all.stream().sorted().toList());
  }

  @Test
  void aHandlerThatOverstaysIsLeft() throws Exception {
    gateway.analyses(1, 1);
    subscription(60);
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch ever = new CountDownLatch(1);
    Consumer consumer =
        client.consume(
            ConsumeOptions.builder("work").drainTimeout(java.time.Duration.ofMillis(50)).build(),
            message -> {
              begun.countDown();
              ever.await();
            });
    begun.await();
    consumer.close();
    ever.countDown();
    try (MessageStream messages = client.consume(ConsumeOptions.of("work"))) {
      assertEquals("evt_1", messages.next().event().getId());
    }
  }

  /** What was confirmed stays so, and what was being handled isn't handled twice. */
  @Test
  void aKilledGatewayLosesAndRepeatsNothing() throws Exception {
    gateway.analyses(1, 60);
    subscription(60);
    Ledger ledger = new Ledger(80);
    CountDownLatch some = new CountDownLatch(20);
    ConsumeOptions options = ConsumeOptions.builder("work").concurrency(4).hooks(ledger).build();
    try (Consumer consumer =
        client.consume(
            options,
            message -> {
              ledger.note(message);
              some.countDown();
            })) {
      some.await();
      gateway.kill();
      gateway.start();
      gateway.analyses(61, 20);
      ledger.all.await();
      assertFalse(consumer.completion().isDone());
    }
    assertEquals(ids(1, 80), ledger.sorted());
    assertTrue(ledger.connections.get() >= 2);
    assertEquals(0, now().getBacklog());
  }

  @Test
  void cutConnectionsLoseAndRepeatNothing() throws Exception {
    gateway.analyses(1, 60);
    subscription(60, 0); // each lost stream is a failure
    Ledger ledger = new Ledger(60);
    try (Proxy proxy =
            new Proxy(
                gateway.address(),
                n -> n <= 5 ? Proxy.Treatment.cutAfter(1500) : Proxy.Treatment.NONE);
        StrawClient cut = StrawClient.connect(proxy.address());
        Consumer consumer =
            cut.consume(
                ConsumeOptions.builder("work").concurrency(4).hooks(ledger).build(),
                ledger::note)) {
      ledger.all.await();
      assertFalse(consumer.completion().isDone());
    }
    assertEquals(ids(1, 60), ledger.sorted());
    assertTrue(ledger.connections.get() >= 2);
  }

  @Test
  void messagesAreIteratedOver() throws Exception {
    gateway.analyses(1, 20);
    subscription(60);
    List<String> acked = new ArrayList<>();
    try (MessageStream messages =
        client.consume(ConsumeOptions.builder("work").concurrency(2).build())) {
      for (Message message : messages) {
        acked.add(message.event().getId());
        assertEquals(AckResult.Status.ACKED, message.ack().get(10, TimeUnit.SECONDS));
        assertTrue(message.isSettled());
        if (acked.size() == 10) {
          messages.stop();
        }
      }
    }
    assertEquals(10, acked.size());
    assertEquals(10, now().getBacklog());
  }

  @Test
  void aDeletedSubscriptionEndsItsConsumers() throws Exception {
    subscription(60);
    Ledger ledger = new Ledger(0);
    Consumer consumer =
        client.consume(ConsumeOptions.builder("work").hooks(ledger).build(), ledger::note);
    MessageStream messages = client.consume(ConsumeOptions.of("work"));
    Until.holds(() -> now().getConsumerCount() == 2);
    client
        .subscriptions()
        .deleteSubscription(DeleteSubscriptionRequest.newBuilder().setId("work").build());
    StrawException failure = assertThrows(StrawException.class, consumer::awaitTermination);
    assertEquals(ErrorReason.SUBSCRIPTION_NOT_FOUND, failure.reason());
    assertThrows(ExecutionException.class, () -> consumer.completion().get(10, TimeUnit.SECONDS));
    failure = assertThrows(StrawException.class, messages::hasNext);
    assertEquals(ErrorReason.SUBSCRIPTION_NOT_FOUND, failure.reason());
    messages.close();
  }

  @Test
  void optionsHaveBounds() {
    ConsumeOptions.Builder options = ConsumeOptions.builder("work");
    assertThrows(IllegalArgumentException.class, () -> options.concurrency(0));
    assertThrows(IllegalArgumentException.class, () -> options.concurrency(1001));
    assertThrows(IllegalArgumentException.class, () -> ConsumeOptions.of(""));
    assertEquals(1000, options.concurrency(800).build().request().getMaxOutstanding());
  }
}
