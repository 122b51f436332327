package dev.straw.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.straw.client.EventStream;
import dev.straw.client.FileCursor;
import dev.straw.client.Start;
import dev.straw.client.StrawClient;
import dev.straw.client.SubscribeOptions;
import dev.straw.v1.Event;
import java.time.Duration;
import java.time.Instant;

/** Reads events in cursor mode. */
final class Subscribe {
  private final StrawClient client;
  private final SubscribeOptions options;
  private final int stopAfter;
  private final int leaveAt;
  private final Duration delay;

  Subscribe(StrawClient client, Arguments arguments) {
    this.client = client;
    stopAfter = arguments.number("stop_after", 0);
    leaveAt = arguments.number("leave_at", 0);
    delay = arguments.has("delay") ? arguments.millis("delay") : Duration.ZERO;
    options = options(arguments);
    arguments.end();
  }

  private static SubscribeOptions options(Arguments arguments) {
    SubscribeOptions.Builder options =
        SubscribeOptions.builder()
            .hooks(new Printing())
            .types(arguments.texts("types"))
            .filter(arguments.text("filter", ""))
            .includeRaw(arguments.flag("include_raw"))
            .endAtHead(arguments.flag("end_at_head"))
            .maxDeliveries(arguments.number("max_deliveries", 0));
    if (arguments.has("start")) {
      options.start(start(arguments.take("start")));
    }
    if (arguments.text("on_gap", "fail").equals("continue")) {
      options.continueOnGap(Output::gap);
    }
    if (arguments.has("heartbeat")) {
      options.heartbeatInterval(arguments.millis("heartbeat"));
    }
    if (arguments.has("cursor_file")) {
      options.cursorStore(FileCursor.at(arguments.text("cursor_file")));
    }
    if (arguments.has("cursor_interval")) {
      options.cursorInterval(arguments.millis("cursor_interval"));
    }
    return options.build();
  }

  private static Start start(JsonElement start) {
    if (start.isJsonObject()) {
      JsonObject at = start.getAsJsonObject();
      return at.has("after")
          ? Start.after(at.get("after").getAsString())
          : Start.at(Instant.parse(at.get("time").getAsString()));
    }
    return switch (start.getAsString()) {
      case "earliest" -> Start.earliest();
      case "latest" -> Start.latest();
      default -> throw new Arguments.Wrong("start " + start + " is unknown");
    };
  }

  void run() throws InterruptedException {
    try (EventStream events = client.subscribe(options)) {
      Stdin.whenEnded(events::close);
      read(events);
    }
    Output.end();
  }

  private void read(EventStream events) throws InterruptedException {
    int n = 0;
    for (Event event : events) {
      n++;
      Output.event(event);
      Thread.sleep(delay.toMillis());
      if (n == leaveAt) {
        return;
      }
      if (n == stopAfter) {
        events.markProcessed();
        return;
      }
    }
  }
}
