package dev.straw.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.straw.v1.ErrorReason;
import dev.straw.v1.Event;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class PublisherTest {
  @TempDir private static Path folder;
  private static Gateway gateway;
  private static StrawClient client;

  /** Requests what the test says. */
  private static class Subscriber implements Flow.Subscriber<Event> {
    final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
    final CompletableFuture<Throwable> ended = new CompletableFuture<>();

    @Override
    public void onSubscribe(Flow.Subscription given) {
      subscription.complete(given);
    }

    @Override
    public void onNext(Event event) {
      events.add(event.getId());
    }

    @Override
    public void onError(Throwable failure) {
      ended.complete(failure);
    }

    @Override
    public void onComplete() {
      ended.complete(null);
    }

    void request(long n) {
      subscription.join().request(n);
    }

    String next() throws InterruptedException {
      return events.poll(30, TimeUnit.SECONDS);
    }
  }

  @BeforeAll
  static void start() throws Exception {
    gateway = Gateway.start(folder);
    gateway.analyses(1, 10);
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

  @Test
  void sendsNoMoreThanIsRequested() throws Exception {
    Subscriber subscriber = new Subscriber();
    client.publisher(replay().build()).subscribe(subscriber);
    subscriber.request(1);
    subscriber.request(2);
    for (int i = 1; i <= 3; i++) {
      assertEquals("evt_" + i, subscriber.next());
    }
    assertNull(subscriber.events.peek());
    subscriber.request(Long.MAX_VALUE);
    for (int i = 4; i <= 10; i++) {
      assertEquals("evt_" + i, subscriber.next());
    }
    assertNull(subscriber.ended.get(30, TimeUnit.SECONDS));
  }

  @Test
  void eachSubscriberHasItsOwn() throws Exception {
    Flow.Publisher<Event> publisher = client.publisher(replay().build());
    for (int i = 0; i < 2; i++) {
      Subscriber subscriber = new Subscriber();
      publisher.subscribe(subscriber);
      subscriber.request(100);
      assertNull(subscriber.ended.get(30, TimeUnit.SECONDS));
      assertEquals(10, subscriber.events.size());
    }
  }

  @Test
  void whatWasDeliveredIsProcessed(@TempDir Path own) throws Exception {
    FileCursor store = FileCursor.at(own.resolve("cursor"));
    CompletableFuture<String> last = new CompletableFuture<>();
    Subscriber subscriber =
        new Subscriber() {
          @Override
          public void onNext(Event event) {
            super.onNext(event);
            if (event.getId().equals("evt_4")) {
              last.complete(event.getCursor());
            }
          }
        };
    client.publisher(replay().cursorStore(store).build()).subscribe(subscriber);
    subscriber.request(4);
    String fourth = last.get(30, TimeUnit.SECONDS);
    subscriber.subscription.join().cancel();
    Until.holds(() -> store.load().equals(fourth));
    assertEquals(4, subscriber.events.size());
  }

  @Test
  void askingForNothingIsAnError() throws Exception {
    Subscriber subscriber = new Subscriber();
    client.publisher(replay().build()).subscribe(subscriber);
    subscriber.request(0);
    assertInstanceOf(IllegalArgumentException.class, subscriber.ended.get(30, TimeUnit.SECONDS));
  }

  @Test
  void aRefusalIsTheLastSignal() throws Exception {
    Subscriber subscriber = new Subscriber();
    client.publisher(replay().filter("nonsense(").build()).subscribe(subscriber);
    Throwable failure = subscriber.ended.get(30, TimeUnit.SECONDS);
    assertEquals(ErrorReason.INVALID_FILTER, ((StrawException) failure).reason());
    assertTrue(subscriber.events.isEmpty());
  }
}
