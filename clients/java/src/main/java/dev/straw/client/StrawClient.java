package dev.straw.client;

import dev.straw.v1.Event;
import dev.straw.v1.EventServiceGrpc;
import dev.straw.v1.ExportServiceGrpc;
import dev.straw.v1.GatewayServiceGrpc;
import dev.straw.v1.SubscriptionServiceGrpc;
import io.grpc.Channel;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.Flow;

/**
 * Calls one gateway. It is safe for use by many threads, and one for each program is enough: its
 * calls share a connection.
 *
 * <pre>{@code
 * try (StrawClient client = StrawClient.connect("127.0.0.1:9090");
 *     EventStream events = client.subscribe(SubscribeOptions.builder().start(Start.earliest()).build())) {
 *   for (Event event : events) {
 *     System.out.println(event.getId());
 *   }
 * }
 * }</pre>
 */
public final class StrawClient implements AutoCloseable {
  /** Where a gateway listens for gRPC unless told otherwise. */
  public static final String DEFAULT_ADDRESS = "127.0.0.1:9090";

  private final GatewayChannel channel;
  private final Workers workers;
  private final Registry registry = new Registry();

  StrawClient(GatewayChannel channel, Workers workers) {
    this.channel = channel;
    this.workers = workers;
  }

  /**
   * Makes a client with no settings: plaintext to a loopback address, TLS with the system's roots
   * to anything else. It does no I/O: a gateway that isn't there shows in the first call.
   *
   * @param address {@code host:port}, or any target that gRPC knows, such as {@code unix:///path}
   * @return a client, to be closed
   * @throws IllegalArgumentException if that is no address
   */
  public static StrawClient connect(String address) {
    return builder(address).build();
  }

  /**
   * Begins to make a client.
   *
   * @param address as in {@link #connect}
   * @return a builder without any setting
   */
  public static StrawClientBuilder builder(String address) {
    return new StrawClientBuilder(address);
  }

  /**
   * Subscribes, to iterate over the events. The gateway is called when the first one is asked for.
   *
   * @param options what, and from where
   * @return a stream, to be closed
   */
  public EventStream subscribe(SubscribeOptions options) {
    return new EventStream(reader(options));
  }

  /**
   * Subscribes, to have the events handed to a listener, by a thread that the subscription holds.
   *
   * @param options what, and from where
   * @param listener handles them
   * @return the subscription, to be closed
   */
  public EventSubscription subscribe(SubscribeOptions options, EventListener listener) {
    Delivering delivering = new Delivering(subscribe(options), EventPublisher.of(listener));
    workers.execute(delivering);
    return new EventSubscription(delivering);
  }

  /**
   * Makes a publisher of events. Each subscriber has a subscription of its own, and a thread; it is
   * sent no more events than it has requested, and the gateway is asked for no more than a few
   * frames ahead of that. An event is processed when {@code onNext} returns.
   *
   * @param options what, and from where
   * @return a publisher that does nothing before it is subscribed to
   */
  public Flow.Publisher<Event> publisher(SubscribeOptions options) {
    return new EventPublisher(() -> subscribe(options), workers);
  }

  /**
   * Subscribes, to iterate over whole frames.
   *
   * @param options what, and from where
   * @return a stream, to be closed
   */
  public FrameStream frames(SubscribeOptions options) {
    return new FrameStream(reader(options));
  }

  private CursorReader reader(SubscribeOptions options) {
    return new CursorReader(channel, workers, registry, options);
  }

  /**
   * Consumes a durable subscription: each event is handled by the handler, up to {@code
   * concurrency} at once, and acknowledged when that returns.
   *
   * @param options which subscription, and how
   * @param handler handles the events; called by several threads
   * @return a running consumer, to be closed
   */
  public Consumer consume(ConsumeOptions options, MessageHandler handler) {
    return Consumer.start(new Intake(channel, workers, options), registry, options, handler);
  }

  /**
   * Consumes a durable subscription, to iterate over its messages and settle each.
   *
   * @param options which subscription, and how
   * @return a stream, to be closed
   */
  public MessageStream consume(ConsumeOptions options) {
    return MessageStream.start(new Intake(channel, workers, options), registry);
  }

  /**
   * Begins to download an export's newest generation. The gateway is called before this returns.
   *
   * @param exportId which
   * @return its bytes
   * @throws StrawException if it can't be had: {@code EXPORT_NOT_FOUND}, {@code
   *     EXPORT_NOT_AVAILABLE} and others
   */
  public Download download(String exportId) {
    return Download.begin(channel, exportId);
  }

  /**
   * Goes on with a download that an earlier one has begun.
   *
   * @param exportId which
   * @param soFar what the earlier one has brought; it is read to its end and summed up with the
   *     rest, so that the checksum is that of the whole file
   * @return the bytes that are missing
   * @throws IOException if what is there can't be read
   * @throws StrawException if the export can't be had
   */
  public Download download(String exportId, InputStream soFar) throws IOException {
    return Download.resume(channel, exportId, soFar);
  }

  /**
   * The generated stub of the events. Subscribe through the client's own methods, which reconnect.
   *
   * @return a stub on this client's connection; it throws {@link io.grpc.StatusRuntimeException},
   *     see {@link StrawException#from}
   */
  public EventServiceGrpc.EventServiceBlockingStub events() {
    return EventServiceGrpc.newBlockingStub(channel);
  }

  /**
   * The generated stub that manages durable subscriptions.
   *
   * @return a stub, as {@link #events}
   */
  public SubscriptionServiceGrpc.SubscriptionServiceBlockingStub subscriptions() {
    return SubscriptionServiceGrpc.newBlockingStub(channel);
  }

  /**
   * The generated stub of the exports.
   *
   * @return a stub, as {@link #events}
   */
  public ExportServiceGrpc.ExportServiceBlockingStub exports() {
    return ExportServiceGrpc.newBlockingStub(channel);
  }

  /**
   * The generated stub of the gateway itself.
   *
   * @return a stub, as {@link #events}
   */
  public GatewayServiceGrpc.GatewayServiceBlockingStub gateway() {
    return GatewayServiceGrpc.newBlockingStub(channel);
  }

  /**
   * The connection, for stubs of other kinds.
   *
   * @return a channel that lives until the client is closed
   */
  public Channel channel() {
    return channel;
  }

  /**
   * Ends every subscription, drains every consumer, and fails every other call. Idempotent.
   *
   * @throws java.io.UncheckedIOException if a position can't be saved
   */
  @Override
  public void close() {
    try {
      registry.close();
    } finally {
      channel.close();
      workers.close();
    }
  }
}
