package dev.straw.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.straw.client.Proxy.Treatment;
import dev.straw.v1.ErrorReason;
import dev.straw.v1.Event;
import dev.straw.v1.SubscribeResponse;
import io.grpc.Status;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a subscription survives. */
@Timeout(60)
class ReconnectTest {
  @TempDir private Path folder;
  private Gateway gateway;

  /** Notes why connections were lost. */
  private static class Losses implements Hooks {
    final List<StrawException> causes = new ArrayList<>();
    final List<Duration> waits = new ArrayList<>();
    int connections;

    @Override
    public void connected(SubscribeResponse first) {
      connections++;
    }

    @Override
    public void disconnected(StrawException cause, Duration retryIn) {
      causes.add(cause);
      waits.add(retryIn);
    }
  }

  @BeforeEach
  void start() throws Exception {
    gateway = Gateway.start(folder);
  }

  @AfterEach
  void stop() {
    gateway.close();
  }

  private static SubscribeOptions.Builder replay() {
    return SubscribeOptions.builder().start(Start.earliest());
  }

  /** Reads events until there are {@code n}, the last one included. */
  private static List<String> read(StrawClient client, SubscribeOptions options, int n) {
    List<String> ids = new ArrayList<>();
    try (EventStream events = client.subscribe(options)) {
      for (Event event : events) {
        ids.add(event.getId());
        if (ids.size() == n) {
          break;
        }
      }
    }
    return ids;
  }

  private static List<String> ids(int n) {
    return IntStream.rangeClosed(1, n).mapToObj(i -> "evt_" + i).toList();
  }

  /** The transport is cut at any byte, within frames too, again and again. */
  @Test
  void cutsAtAnyByteLoseAndRepeatNothing() throws Exception {
    int events = 200;
    int cuts = 10;
    gateway.analyses(1, events);
    Random random = new Random(1);
    Losses losses = new Losses();
    try (Proxy proxy =
            new Proxy(
                gateway.address(),
                n -> n > cuts ? Treatment.NONE : Treatment.cutAfter(300 + random.nextInt(3000)));
        StrawClient client = StrawClient.connect(proxy.address())) {
      SubscribeOptions options = replay().maxDeliveries(7).hooks(losses).build();
      assertEquals(ids(events), read(client, options, events));
    }
    assertEquals(cuts, losses.causes.size());
    losses.causes.forEach(cause -> assertEquals(Status.Code.UNAVAILABLE, cause.code()));
    assertTrue(losses.waits.stream().allMatch(wait -> wait.toMillis() < 15_000));
  }

  /** A connection that is open and says nothing more, while its replacement works. */
  @Test
  void silenceIsNoticed() throws Exception {
    gateway.analyses(1, 50);
    Losses losses = new Losses();
    try (Proxy proxy =
            new Proxy(gateway.address(), n -> n == 1 ? Treatment.hangAfter(1500) : Treatment.NONE);
        StrawClient client = StrawClient.connect(proxy.address())) {
      SubscribeOptions options =
          replay().maxDeliveries(5).heartbeatInterval(Duration.ofSeconds(1)).hooks(losses).build();
      assertEquals(ids(50), read(client, options, 50));
    }
    assertEquals(1, losses.causes.size());
    assertEquals(2, losses.connections);
    assertTrue(losses.causes.get(0).getMessage().contains("no frame came in time"));
  }

  @Test
  void aKilledGatewayIsWaitedFor() throws Exception {
    gateway.analyses(1, 10);
    Losses losses =
        new Losses() {
          @Override
          public void disconnected(StrawException cause, Duration retryIn) {
            super.disconnected(cause, retryIn);
            if (causes.size() == 3) {
              restart(11, 10);
            }
          }
        };
    List<String> got = new ArrayList<>();
    try (StrawClient client = gateway.client();
        EventStream events = client.subscribe(replay().hooks(losses).build())) {
      for (Event event : events) {
        got.add(event.getId());
        if (got.size() == 10) {
          gateway.kill();
        }
        if (got.size() == 20) {
          break;
        }
      }
    }
    assertEquals(ids(20), got);
    assertTrue(losses.causes.size() >= 3, losses.causes::toString);
  }

  private void restart(int from, int count) {
    try {
      gateway.start();
      gateway.analyses(from, count);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aDrainingGatewayIsLeft() throws Exception {
    gateway.analyses(1, 5);
    List<SubscribeResponse> farewells = new ArrayList<>();
    Losses losses =
        new Losses() {
          @Override
          public void frame(SubscribeResponse frame) {
            if (frame.hasGoingAway()) {
              farewells.add(frame);
            }
          }

          @Override
          public void disconnected(StrawException cause, Duration retryIn) {
            super.disconnected(cause, retryIn);
            if (causes.size() == 1) {
              gateway.drain();
              restart(6, 5);
            }
          }
        };
    List<String> got = new ArrayList<>();
    try (StrawClient client = gateway.client();
        EventStream events = client.subscribe(replay().hooks(losses).build())) {
      for (Event event : events) {
        got.add(event.getId());
        if (got.size() == 5) {
          gateway.terminate();
        }
        if (got.size() == 10) {
          break;
        }
      }
    }
    assertEquals(ids(10), got);
    assertEquals(1, farewells.size());
    assertEquals(ErrorReason.DRAINING, losses.causes.get(0).reason());
  }
}
