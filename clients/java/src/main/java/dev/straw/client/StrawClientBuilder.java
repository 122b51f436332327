package dev.straw.client;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** Says how a client connects. For one thread. */
public final class StrawClientBuilder {
  /** Admits an event of the largest size (3 MiB) with room to spare. */
  private static final int MAX_MESSAGE_BYTES = 8 << 20;

  /**
   * How much a stream that isn't read holds, until gRPC has measured that the network needs more.
   */
  private static final int FIRST_WINDOW_BYTES = 256 << 10;

  private final Target target;
  private ChannelCredentials credentials; // null: by the target
  private Supplier<String> token;
  private Executor executor;
  private UnaryOperator<ManagedChannelBuilder<?>> customizer = UnaryOperator.identity();

  StrawClientBuilder(String address) {
    target = Target.parse(address);
  }

  /**
   * Connects over TLS with the system's roots, to a loopback address too.
   *
   * @return this
   */
  public StrawClientBuilder tls() {
    return credentials(TlsChannelCredentials.create());
  }

  /**
   * Connects over TLS with roots of your own.
   *
   * @param roots a PEM file of the certificates to trust
   * @return this
   * @throws IOException if the file can't be read
   */
  public StrawClientBuilder tls(Path roots) throws IOException {
    return credentials(TlsChannelCredentials.newBuilder().trustManager(file(roots)).build());
  }

  /**
   * Connects over mutual TLS.
   *
   * @param roots a PEM file of the certificates to trust
   * @param certificate a PEM file of the client's certificate chain
   * @param key a PEM file of its private key, in PKCS #8
   * @return this
   * @throws IOException if a file can't be read
   */
  public StrawClientBuilder mutualTls(Path roots, Path certificate, Path key) throws IOException {
    return credentials(
        TlsChannelCredentials.newBuilder()
            .trustManager(file(roots))
            .keyManager(file(certificate), file(key))
            .build());
  }

  private static File file(Path path) {
    return path.toFile();
  }

  /**
   * Connects without TLS. Only for a network that is trusted end to end.
   *
   * @return this
   */
  public StrawClientBuilder plaintext() {
    return credentials(InsecureChannelCredentials.create());
  }

  /**
   * Connects with credentials of any kind that gRPC knows.
   *
   * @param credentials what to connect with
   * @return this
   */
  public StrawClientBuilder credentials(ChannelCredentials credentials) {
    this.credentials = credentials;
    return this;
  }

  /**
   * Sends a bearer token with every call.
   *
   * @param token the token
   * @return this
   */
  public StrawClientBuilder token(String token) {
    return token(() -> token);
  }

  /**
   * Asks for a bearer token at each call.
   *
   * @param source called by any thread; it should cache. What it throws fails the call with {@code
   *     UNAUTHENTICATED}
   * @return this
   */
  public StrawClientBuilder token(Supplier<String> source) {
    token = source;
    return this;
  }

  /**
   * Runs handlers and listeners. Each handler at work, each consumer and each listener holds a
   * thread of it, so it must not be bounded tightly.
   *
   * @param executor default: daemon threads of the client's own, as many as needed
   * @return this
   */
  public StrawClientBuilder executor(Executor executor) {
    this.executor = executor;
    return this;
  }

  /**
   * Changes anything that gRPC offers, such as interceptors; it counts over this builder's own
   * settings.
   *
   * @param customizer called for each connection
   * @return this
   */
  public StrawClientBuilder channel(UnaryOperator<ManagedChannelBuilder<?>> customizer) {
    this.customizer = customizer;
    return this;
  }

  /**
   * Makes the client. It does no I/O: a gateway that isn't there shows in the first call.
   *
   * @return a client, to be closed
   * @throws IllegalArgumentException if a token would be sent in plaintext beyond this machine
   */
  public StrawClient build() {
    ChannelCredentials chosen = credentials;
    if (chosen == null) {
      chosen =
          target.local() ? InsecureChannelCredentials.create() : TlsChannelCredentials.create();
    }
    if (token != null && chosen instanceof InsecureChannelCredentials && !target.local()) {
      throw new IllegalArgumentException(
          "a token sent to "
              + target.host()
              + " without TLS could be read on the way; connect with tls()");
    }
    ChannelCredentials used = chosen;
    return new StrawClient(new GatewayChannel(() -> dial(used).build()), new Workers(executor));
  }

  private ManagedChannelBuilder<?> dial(ChannelCredentials with) {
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(target.address(), with)
            .userAgent("straw-java")
            .maxInboundMessageSize(MAX_MESSAGE_BYTES)
            .defaultServiceConfig(RetryReads.SERVICE_CONFIG)
            // Heartbeats tell a dead stream; pings are for calls that are waiting, and for
            // connections that a NAT has dropped.
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS);
    if (builder instanceof NettyChannelBuilder netty) {
      netty.initialFlowControlWindow(FIRST_WINDOW_BYTES);
    }
    if (token != null) {
      builder.intercept(new BearerToken(token));
    }
    return customizer.apply(builder);
  }
}
