package dev.straw.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The driver's argument. Each member is taken once; what is left over is an error. */
final class Arguments {
  /** The runner has asked for what no driver can do. */
  static final class Wrong extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Wrong(String message) {
      super(message);
    }
  }

  private final JsonObject members;

  private Arguments(JsonObject members) {
    this.members = members;
  }

  static Arguments parse(String json) {
    return new Arguments(JsonParser.parseString(json).getAsJsonObject());
  }

  /** Null if there is none. */
  JsonElement take(String name) {
    return members.remove(name);
  }

  boolean has(String name) {
    return members.has(name);
  }

  String text(String name) {
    JsonElement value = take(name);
    if (value == null) {
      throw new Wrong("member " + name + " is missing");
    }
    return value.getAsString();
  }

  String text(String name, String otherwise) {
    return has(name) ? text(name) : otherwise;
  }

  boolean flag(String name) {
    return has(name) && take(name).getAsBoolean();
  }

  int number(String name, int otherwise) {
    return has(name) ? take(name).getAsInt() : otherwise;
  }

  Duration millis(String name) {
    return Duration.ofMillis(take(name).getAsLong());
  }

  List<String> texts(String name) {
    List<String> texts = new ArrayList<>();
    if (has(name)) {
      take(name).getAsJsonArray().forEach(element -> texts.add(element.getAsString()));
    }
    return texts;
  }

  /** Everything must have been taken. */
  void end() {
    if (!members.isEmpty()) {
      throw new Wrong("unknown members: " + members.keySet());
    }
  }
}
