package dev.straw.client;

import dev.straw.v1.Gap;
import dev.straw.v1.SubscribeRequest;
import java.time.Duration;
import java.util.function.Consumer;

/** Which durable subscription to consume, and how. Immutable. */
public final class ConsumeOptions {
  /** Most events that a client has at a time. */
  private static final int MAX_OUTSTANDING = 1000;

  private final SubscribeRequest request;
  private final int concurrency;
  private final Duration drainTimeout;
  private final Consumer<Gap> gapHandler;
  private final Hooks hooks;

  private ConsumeOptions(Builder builder) {
    concurrency = builder.concurrency;
    request =
        builder
            .request
            .clone()
            .setMaxOutstanding(Math.min(2 * concurrency, MAX_OUTSTANDING))
            .build();
    drainTimeout = builder.drainTimeout;
    gapHandler = builder.gapHandler;
    hooks = builder.hooks;
  }

  /**
   * Begins to say what to consume.
   *
   * @param subscription id of a durable subscription
   * @return a builder without any other setting
   */
  public static Builder builder(String subscription) {
    return new Builder(subscription);
  }

  /**
   * Says what to consume, with no other setting.
   *
   * @param subscription id of a durable subscription
   * @return the options
   */
  public static ConsumeOptions of(String subscription) {
    return builder(subscription).build();
  }

  String subscription() {
    return request.getSubscriptionId();
  }

  SubscribeRequest request() {
    return request;
  }

  int concurrency() {
    return concurrency;
  }

  Duration drainTimeout() {
    return drainTimeout;
  }

  Consumer<Gap> gapHandler() {
    return gapHandler;
  }

  Hooks hooks() {
    return hooks;
  }

  /** Collects settings. For one thread. */
  public static final class Builder {
    private final SubscribeRequest.Builder request = SubscribeRequest.newBuilder();
    private int concurrency = 16;
    private Duration drainTimeout = Duration.ofSeconds(30);
    private Consumer<Gap> gapHandler = gap -> {};
    private Hooks hooks = Hooks.NONE;

    private Builder(String subscription) {
      if (subscription.isEmpty()) {
        throw new IllegalArgumentException("the id of the durable subscription is empty");
      }
      request.setSubscriptionId(subscription);
    }

    /**
     * Bounds how many handlers run at once. The client has at most twice as many events, and at
     * most 1,000.
     *
     * @param handlers 1 to 1,000; default 16
     * @return this
     */
    public Builder concurrency(int handlers) {
      if (handlers < 1 || handlers > MAX_OUTSTANDING) {
        throw new IllegalArgumentException(
            "a concurrency of " + handlers + " isn't between 1 and " + MAX_OUTSTANDING);
      }
      concurrency = handlers;
      return this;
    }

    /**
     * Bounds how long closing waits for handlers that run.
     *
     * @param timeout default 30 s
     * @return this
     */
    public Builder drainTimeout(Duration timeout) {
      drainTimeout = timeout;
      return this;
    }

    /**
     * Fills {@code Event.raw} with the webhook's body.
     *
     * @param include default {@code false}
     * @return this
     */
    public Builder includeRaw(boolean include) {
      request.setIncludeRaw(include);
      return this;
    }

    /**
     * How often the gateway sends a frame at least. After two and a half missed ones the consumer
     * reconnects.
     *
     * @param interval 1 s to 60 s; default 15 s
     * @return this
     */
    public Builder heartbeatInterval(Duration interval) {
      request.setHeartbeatInterval(Durations.toMessage(interval));
      return this;
    }

    /**
     * Is told when retention's hard limit has removed events that the subscription still owed.
     *
     * @param handler called by the thread that reads
     * @return this
     */
    public Builder onGap(Consumer<Gap> handler) {
      gapHandler = handler;
      return this;
    }

    /**
     * Is told what the consumer does.
     *
     * @param hooks default {@link Hooks#NONE}
     * @return this
     */
    public Builder hooks(Hooks hooks) {
      this.hooks = hooks;
      return this;
    }

    /**
     * Makes the options. The builder can be used on.
     *
     * @return what was said so far
     */
    public ConsumeOptions build() {
      return new ConsumeOptions(this);
    }
  }
}
