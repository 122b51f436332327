package dev.straw.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.straw.v1.ErrorReason;
import dev.straw.v1.Event;
import dev.straw.v1.SubscribeResponse;
import io.grpc.Status;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** One subscription on an undisturbed connection. */
@Timeout(60)
class SubscribeTest {
  private static final int EVENTS = 20;

  @TempDir private static Path folder;
  private static Gateway gateway;
  private static StrawClient client;

  @BeforeAll
  static void start() throws Exception {
    gateway = Gateway.start(folder);
    gateway.analyses(1, EVENTS);
    gateway.post("alert_1", EventTypes.SEARCH_ALERT, "{\"alert_id\":\"al_1\"}");
    gateway.post("odd_1", "galaxy.collided", "{}");
    client = gateway.client();
  }

  @AfterAll
  static void stop() {
    client.close();
    gateway.close();
  }

  private static SubscribeOptions.Builder replay() {
    return SubscribeOptions.builder().start(Start.earliest()).endAtHead(true);
  }

  private static List<String> ids(SubscribeOptions options) {
    List<String> ids = new ArrayList<>();
    try (EventStream events = client.subscribe(options)) {
      events.forEach(event -> ids.add(event.getId()));
    }
    return ids;
  }

  private static List<String> analyses(int from, int to) {
    return IntStream.rangeClosed(from, to).mapToObj(i -> "evt_" + i).toList();
  }

  private static SubscribeOptions.Builder analyses() {
    return replay().types(EventTypes.ANALYSIS_COMPLETED);
  }

  @Test
  void ordersEventsAndEndsAtTheHead() {
    assertEquals(analyses(1, EVENTS), ids(analyses().build()));
  }

  @Test
  void startsWhereItIsTold() {
    List<Event> all = new ArrayList<>();
    try (EventStream events = client.subscribe(replay().build())) {
      events.forEach(all::add);
    }
    String fifth = all.get(4).getCursor();
    assertEquals("evt_6", ids(replay().start(Start.after(fifth)).build()).get(0));
    assertEquals(all.size(), ids(replay().start(Start.at(Instant.EPOCH)).build()).size());
    assertEquals(List.of(), ids(replay().start(Start.latest()).build()));
    assertThrows(IllegalArgumentException.class, () -> Start.after(""));
  }

  @Test
  void filters() {
    assertEquals(List.of("alert_1"), ids(replay().types("search.*").build()));
    assertEquals(List.of("evt_7"), ids(replay().filter("event.id == 'evt_7'").build()));
  }

  @Test
  void dispatchesOnThePayload() {
    List<String> got = new ArrayList<>();
    SubscribeOptions options = replay().types("search.alert", "galaxy.*").includeRaw(true).build();
    try (EventStream events = client.subscribe(options)) {
      for (Event event : events) {
        switch (event.getPayloadCase()) {
          case SEARCH_ALERT -> got.add(event.getSearchAlert().getAlertId());
          default -> got.add(event.getType() + " " + event.getUnrecognized().getReason());
        }
        assertFalse(event.getRaw().isEmpty());
      }
    }
    assertEquals(List.of("al_1", "galaxy.collided UNKNOWN_TYPE"), got);
  }

  @Test
  void anEventThatWasLeftIsNotProcessed(@TempDir Path own) throws IOException {
    FileCursor store = FileCursor.at(own.resolve("cursor"));
    SubscribeOptions options = analyses().cursorStore(store).build();
    String fourth = "";
    try (EventStream events = client.subscribe(options)) {
      for (Event event : events) {
        if (event.getId().equals("evt_5")) {
          break;
        }
        fourth = event.getCursor();
      }
    }
    assertEquals(fourth, store.load());
    try (EventStream events = client.subscribe(options)) {
      assertEquals("evt_5", events.next().getId());
      events.markProcessed();
    }
    assertEquals(analyses(6, EVENTS), ids(options));
  }

  @Test
  void thePositionIsSavedInTime(@TempDir Path own) throws Exception {
    FileCursor store = FileCursor.at(own.resolve("cursor"));
    CompletableFuture<String> saved = new CompletableFuture<>();
    CursorStore told =
        new CursorStore() {
          @Override
          public String load() throws IOException {
            return store.load();
          }

          @Override
          public void save(String cursor) throws IOException {
            store.save(cursor);
            saved.complete(cursor);
          }
        };
    SubscribeOptions options =
        analyses().cursorStore(told).cursorInterval(Duration.ofMillis(20)).build();
    try (EventStream events = client.subscribe(options)) {
      String first = events.next().getCursor();
      events.next(); // and now the first is processed
      assertEquals(first, saved.get(10, TimeUnit.SECONDS));
      assertEquals(first, store.load());
    }
  }

  @Test
  void aBrokenStoreEndsTheSubscription() {
    CursorStore broken =
        new CursorStore() {
          @Override
          public String load() throws IOException {
            throw new IOException("the disk is on fire");
          }

          @Override
          public void save(String cursor) {}
        };
    try (EventStream events = client.subscribe(analyses().cursorStore(broken).build())) {
      UncheckedIOException failure = assertThrows(UncheckedIOException.class, events::hasNext);
      assertTrue(failure.getMessage().contains("the disk is on fire"), failure.getMessage());
      assertFalse(events.hasNext());
    }
  }

  @Test
  void framesShowWhatIsLeft() {
    long last = -1;
    int events = 0;
    try (FrameStream frames = client.frames(replay().maxDeliveries(3).build())) {
      for (SubscribeResponse frame : frames) {
        assertFalse(frame.getCursor().isEmpty());
        last = frame.getBacklog();
        events += frame.getDeliveriesCount();
      }
    }
    assertEquals(0, last);
    assertEquals(EVENTS + 2, events);
  }

  @Test
  void aRefusalHasItsReason() {
    SubscribeOptions options = replay().types("export.raedy").build();
    try (EventStream events = client.subscribe(options)) {
      StrawException refusal = assertThrows(StrawException.class, events::hasNext);
      assertEquals(Status.Code.INVALID_ARGUMENT, refusal.code());
      assertEquals(ErrorReason.UNKNOWN_EVENT_TYPE, refusal.reason());
      assertEquals("UNKNOWN_EVENT_TYPE", refusal.reasonName());
      assertEquals("export.ready", refusal.metadata().get("suggestion"));
    }
    assertEquals(List.of(), ids(replay().types("export.raedy").allowUnseenTypes(true).build()));
  }

  @Test
  void aListenerIsHandedEvents() throws Exception {
    List<String> got = new ArrayList<>();
    CompletableFuture<Void> ended = new CompletableFuture<>();
    EventListener listener =
        new EventListener() {
          @Override
          public void onEvent(Event event) {
            got.add(event.getId());
          }

          @Override
          public void onEnd() {
            ended.complete(null);
          }
        };
    try (EventSubscription subscription = client.subscribe(analyses().build(), listener)) {
      subscription.completion().get(30, TimeUnit.SECONDS);
    }
    assertTrue(ended.isDone());
    assertEquals(analyses(1, EVENTS), got);
  }

  @Test
  void aListenerThatFailsLeavesItsEventUnprocessed(@TempDir Path own) throws Exception {
    SubscribeOptions options = analyses().cursorStore(FileCursor.at(own.resolve("cursor"))).build();
    Exception thrown = new Exception("no");
    EventSubscription subscription =
        client.subscribe(
            options,
            event -> {
              if (event.getId().equals("evt_3")) {
                throw thrown;
              }
            });
    ExecutionException failure =
        assertThrows(
            ExecutionException.class, () -> subscription.completion().get(30, TimeUnit.SECONDS));
    assertSame(thrown, failure.getCause());
    assertEquals(analyses(3, EVENTS), ids(options));
  }

  @Test
  void closingEndsAWaitInAnotherThread() throws Exception {
    EventStream events =
        client.subscribe(SubscribeOptions.builder().types("dataset.updated").build());
    CompletableFuture<Boolean> more = CompletableFuture.supplyAsync(events::hasNext);
    events.close();
    assertFalse(more.get(10, TimeUnit.SECONDS));
  }

  @Test
  void anInterruptEndsAWait() throws Exception {
    CompletableFuture<Throwable> failed = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              Thread.currentThread().interrupt();
              try (EventStream events = client.subscribe(SubscribeOptions.builder().build())) {
                events.hasNext();
              } catch (StrawException e) {
                failed.complete(e);
              }
            });
    thread.start();
    StrawException failure = (StrawException) failed.get(10, TimeUnit.SECONDS);
    assertEquals(Status.Code.CANCELLED, failure.code());
  }

  @Test
  void closingTheClientEndsItsStreams() throws Exception {
    StrawClient own = gateway.client();
    EventStream events = own.subscribe(SubscribeOptions.builder().build());
    CompletableFuture<Boolean> more = CompletableFuture.supplyAsync(events::hasNext);
    own.close();
    assertFalse(more.get(10, TimeUnit.SECONDS));
    assertThrows(
        IllegalStateException.class, () -> own.subscribe(SubscribeOptions.builder().build()));
  }
}
