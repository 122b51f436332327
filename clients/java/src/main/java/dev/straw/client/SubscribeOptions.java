package dev.straw.client;

import dev.straw.v1.Gap;
import dev.straw.v1.OnGap;
import dev.straw.v1.SubscribeRequest;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;

/**
 * What to stream, and from where. Immutable; without any setting, every event that is appended from
 * now on.
 */
public final class SubscribeOptions {
  private final SubscribeRequest request;
  private final CursorStore cursorStore;
  private final Duration cursorInterval;
  private final Consumer<Gap> gapHandler;
  private final Hooks hooks;

  private SubscribeOptions(Builder builder) {
    request = builder.request.build();
    cursorStore = builder.cursorStore;
    cursorInterval = builder.cursorInterval;
    gapHandler = builder.gapHandler;
    hooks = builder.hooks;
  }

  /**
   * Begins to say what to stream.
   *
   * @return a builder without any setting
   */
  public static Builder builder() {
    return new Builder();
  }

  SubscribeRequest request() {
    return request;
  }

  CursorStore cursorStore() {
    return cursorStore;
  }

  Duration cursorInterval() {
    return cursorInterval;
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
    private CursorStore cursorStore;
    private Duration cursorInterval = Duration.ofSeconds(1);
    private Consumer<Gap> gapHandler = gap -> {};
    private Hooks hooks = Hooks.NONE;

    private Builder() {}

    /**
     * Streams only these types.
     *
     * @param types exact, {@code *}, or with a trailing {@code .*} for one or more segments; none
     *     means all
     * @return this
     */
    public Builder types(String... types) {
      return types(List.of(types));
    }

    /**
     * Streams only these types.
     *
     * @param types exact, {@code *}, or with a trailing {@code .*} for one or more segments; none
     *     means all
     * @return this
     */
    public Builder types(List<String> types) {
      request.clearTypes().addAllTypes(types);
      return this;
    }

    /**
     * Accepts types that look like a misspelled known one.
     *
     * @param allow default {@code false}
     * @return this
     */
    public Builder allowUnseenTypes(boolean allow) {
      request.setAllowUnseenTypes(allow);
      return this;
    }

    /**
     * Streams only what an expression is true of.
     *
     * @param cel over {@code event}, such as {@code event.quota_warning.usage_percent >= 90.0}
     * @return this
     */
    public Builder filter(String cel) {
      request.setFilter(cel);
      return this;
    }

    /**
     * Begins there, unless the cursor store holds a position.
     *
     * @param start default {@link Start#latest()}
     * @return this
     */
    public Builder start(Start start) {
      start.apply(request);
      return this;
    }

    /**
     * Goes on when retention has removed events before they were read. Without this, such a
     * subscription ends with reason {@code CURSOR_EXPIRED}.
     *
     * @param handler is told of each gap in place of the lost events, by the thread that takes
     *     events
     * @return this
     */
    public Builder continueOnGap(Consumer<Gap> handler) {
      request.setOnGap(OnGap.CONTINUE);
      gapHandler = handler;
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
     * Ends, without an error, after what existed when the subscription began; after a reconnect,
     * what existed then.
     *
     * @param end default {@code false}
     * @return this
     */
    public Builder endAtHead(boolean end) {
      request.setEndAtHead(end);
      return this;
    }

    /**
     * How often the gateway sends a frame at least. After two and a half missed ones the
     * subscription reconnects.
     *
     * @param interval 1 s to 60 s; default 15 s
     * @return this
     */
    public Builder heartbeatInterval(Duration interval) {
      request.setHeartbeatInterval(Durations.toMessage(interval));
      return this;
    }

    /**
     * Bounds the events of one frame.
     *
     * @param max default 256
     * @return this
     */
    public Builder maxDeliveries(int max) {
      request.setMaxDeliveriesPerResponse(max);
      return this;
    }

    /**
     * Keeps the position over restarts of the program: it is read when the subscription begins, and
     * counts over the start, and is written within the cursor interval of a change and when the
     * subscription ends. A program that stores what it made of the events should rather store
     * {@code event.getCursor()} with it, in one transaction, and begin with {@link Start#after}.
     *
     * @param store such as {@link FileCursor}
     * @return this
     */
    public Builder cursorStore(CursorStore store) {
      cursorStore = store;
      return this;
    }

    /**
     * Bounds how long a position goes unsaved, and so how much is repeated after a crash.
     *
     * @param interval positive; default 1 s
     * @return this
     */
    public Builder cursorInterval(Duration interval) {
      cursorInterval = interval;
      return this;
    }

    /**
     * Is told what the subscription does.
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
    public SubscribeOptions build() {
      return new SubscribeOptions(this);
    }
  }
}
