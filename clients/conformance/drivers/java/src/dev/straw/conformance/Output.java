package dev.straw.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import dev.straw.client.StrawException;
import dev.straw.v1.Event;
import dev.straw.v1.Gap;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Prints JSON objects, one a line, at once. */
final class Output {
  private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

  private Output() {}

  static void print(Map<String, ?> line) {
    byte[] bytes = (GSON.toJson(line) + "\n").getBytes(StandardCharsets.UTF_8);
    synchronized (Output.class) {
      System.out.write(bytes, 0, bytes.length);
      System.out.flush();
    }
  }

  static void end() {
    print(Map.of("end", true));
  }

  static void event(Event event) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("event", event.getId());
    line.put("type", event.getType());
    line.put("payload", payload(event));
    line.put("cursor", event.getCursor());
    if (!event.getRaw().isEmpty()) {
      line.put("raw", true);
    }
    print(line);
  }

  static void gap(Gap gap) {
    print(Map.of("gap", Map.of("requested", gap.getRequested(), "oldest", gap.getOldest())));
  }

  private static String payload(Event event) {
    return event.getPayloadCase() == Event.PayloadCase.PAYLOAD_NOT_SET
        ? ""
        : event.getPayloadCase().name().toLowerCase(Locale.ROOT);
  }

  static void error(Throwable failure) {
    StrawException e = StrawException.from(failure);
    failure.printStackTrace();
    print(
        Map.of(
            "error",
            Map.of("code", e.code().name(), "reason", e.reasonName(), "metadata", e.metadata())));
  }
}
