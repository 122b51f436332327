package dev.straw.client;

import dev.straw.v1.AcknowledgeRequest;
import dev.straw.v1.CreateSubscriptionRequest;
import dev.straw.v1.DeleteSubscriptionRequest;
import dev.straw.v1.Delivery;
import dev.straw.v1.Event;
import dev.straw.v1.EventServiceGrpc;
import dev.straw.v1.StartPosition;
import dev.straw.v1.SubscribeRequest;
import dev.straw.v1.SubscribeResponse;
import dev.straw.v1.Subscription;
import dev.straw.v1.SubscriptionServiceGrpc;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Measures events per second: the client beside the bare generated stub, on what a real gateway
 * replays. Rounds of both take turns, and the medians count; both share the machine with the
 * gateway. The script {@code bench} runs it.
 */
final class Bench {
  private static final int EVENTS = 50_000;
  private static final int REPLAYS = 5; // a round
  private static final int SETTLED = 20_000; // a round
  private static final int ROUNDS = 7;
  private static final long MEMORY_SECONDS = 60;

  private final Gateway gateway;
  private final StrawClient client;
  private final ManagedChannel bare;

  private Bench(Gateway gateway) {
    this.gateway = gateway;
    client = gateway.client();
    bare =
        Grpc.newChannelBuilder(gateway.address(), InsecureChannelCredentials.create())
            .maxInboundMessageSize(8 << 20)
            .build();
  }

  /** The argument is how many events the part on memory reads, if there is time. */
  public static void main(String[] args) throws Exception {
    long memoryEvents = args.length > 0 ? Long.parseLong(args[0]) : 10_000_000;
    Path folder = Files.createTempDirectory("straw-bench");
    try (Gateway gateway = Gateway.start(folder)) {
      gateway.fill(EVENTS);
      Bench bench = new Bench(gateway);
      bench.compare("replay", REPLAYS * EVENTS, bench::replayClient, bench::replayBare);
      bench.compare("durable, acknowledged", SETTLED, bench::consumeClient, bench::consumeBare);
      bench.memory(memoryEvents);
      bench.client.close();
      bench.bare.shutdownNow();
    }
  }

  private interface Run {
    void run() throws Exception;
  }

  private void compare(String what, int events, Run ours, Run bareLoop) throws Exception {
    List<Double> client = new ArrayList<>();
    List<Double> bare = new ArrayList<>();
    for (int round = -2; round < ROUNDS; round++) {
      double c = rate(events, ours);
      double b = rate(events, bareLoop);
      if (round >= 0) { // the first ones warm up
        client.add(c);
        bare.add(b);
      }
    }
    System.out.printf(
        "%-22s client %,10.0f/s  bare %,10.0f/s  ratio %.2f  (%s … %s)%n",
        what,
        median(client),
        median(bare),
        median(client) / median(bare),
        ratio(client, bare, true),
        ratio(client, bare, false));
  }

  private static double rate(int events, Run run) throws Exception {
    long start = System.nanoTime();
    run.run();
    return events * 1e9 / (System.nanoTime() - start);
  }

  private static double median(List<Double> values) {
    return values.stream().sorted().toList().get(values.size() / 2);
  }

  private static String ratio(List<Double> client, List<Double> bare, boolean least) {
    List<Double> ratios = new ArrayList<>();
    for (int i = 0; i < client.size(); i++) {
      ratios.add(client.get(i) / bare.get(i));
    }
    return String.format("%.2f", least ? Collections.min(ratios) : Collections.max(ratios));
  }

  private void replayClient() {
    int n = 0;
    for (int i = 0; i < REPLAYS; i++) {
      try (EventStream events = client.subscribe(replay())) {
        for (Event event : events) {
          n += event.getId().isEmpty() ? 0 : 1;
        }
      }
    }
    expect(REPLAYS * EVENTS, n);
  }

  private static SubscribeOptions replay() {
    return SubscribeOptions.builder().start(Start.earliest()).endAtHead(true).build();
  }

  private void replayBare() {
    SubscribeRequest request =
        SubscribeRequest.newBuilder()
            .setStartPosition(StartPosition.EARLIEST)
            .setEndAtHead(true)
            .build();
    int n = 0;
    for (int i = 0; i < REPLAYS; i++) {
      Iterator<SubscribeResponse> frames =
          EventServiceGrpc.newBlockingStub(bare).subscribe(request);
      while (frames.hasNext()) {
        for (Delivery delivery : frames.next().getDeliveriesList()) {
          n += delivery.getEvent().getId().isEmpty() ? 0 : 1;
        }
      }
    }
    expect(REPLAYS * EVENTS, n);
  }

  private void consumeClient() throws Exception {
    subscribe();
    CountDownLatch done = new CountDownLatch(SETTLED);
    AtomicInteger handled = new AtomicInteger();
    Hooks hooks =
        new Hooks() {
          @Override
          public void settled(Message message, dev.straw.v1.AckResult.Status status) {
            done.countDown();
          }
        };
    ConsumeOptions options = ConsumeOptions.builder("bench").concurrency(500).hooks(hooks).build();
    Consumer consumer = client.consume(options, message -> handled.incrementAndGet());
    done.await();
    unsubscribe();
    consumer.close();
  }

  private void consumeBare() {
    subscribe();
    int n = 0;
    SubscribeRequest request =
        SubscribeRequest.newBuilder().setSubscriptionId("bench").setMaxOutstanding(1000).build();
    var acks = SubscriptionServiceGrpc.newBlockingStub(bare);
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      Context before = context.attach();
      Iterator<SubscribeResponse> frames =
          EventServiceGrpc.newBlockingStub(bare).subscribe(request);
      context.detach(before);
      while (n < SETTLED) {
        List<Delivery> deliveries = frames.next().getDeliveriesList();
        if (!deliveries.isEmpty()) {
          n +=
              acks.acknowledge(
                      AcknowledgeRequest.newBuilder()
                          .setSubscriptionId("bench")
                          .addAllAckIds(deliveries.stream().map(Delivery::getAckId).toList())
                          .build())
                  .getResultsCount();
        }
      }
    }
    unsubscribe();
  }

  private void subscribe() {
    client
        .subscriptions()
        .createSubscription(
            CreateSubscriptionRequest.newBuilder()
                .setSubscription(
                    Subscription.newBuilder()
                        .setId("bench")
                        .setStartPosition(StartPosition.EARLIEST))
                .build());
  }

  private void unsubscribe() {
    client
        .subscriptions()
        .deleteSubscription(DeleteSubscriptionRequest.newBuilder().setId("bench").build());
  }

  /** Reads for a minute at most, and prints the live heap on the way. */
  private void memory(long events) {
    long end = System.nanoTime() + MEMORY_SECONDS * 1_000_000_000;
    long n = 0;
    long next = 0;
    while (n < events && System.nanoTime() < end) {
      if (n >= next) {
        System.out.printf("%,12d events read  %,8d KiB live%n", n, live() >> 10);
        next += events / 5;
      }
      try (EventStream stream = client.subscribe(replay())) {
        while (stream.hasNext()) {
          stream.next();
          n++;
        }
      }
    }
    System.out.printf("%,12d events read  %,8d KiB live%n", n, live() >> 10);
  }

  private static long live() {
    System.gc();
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  private static void expect(int want, int got) {
    if (want != got) {
      throw new IllegalStateException(got + " events came instead of " + want);
    }
  }
}
