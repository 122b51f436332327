package dev.straw.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import dev.straw.client.ConsumeOptions;
import dev.straw.client.Consumer;
import dev.straw.client.Message;
import dev.straw.client.MessageStream;
import dev.straw.client.Nack;
import dev.straw.client.StrawClient;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** Consumes a durable subscription. */
final class Consume {
  private final StrawClient client;
  private final ConsumeOptions options;
  private final boolean iterate;
  private final Duration work;
  private final JsonObject actions;
  private final int stopAfter;
  private final AtomicInteger confirmed = new AtomicInteger();
  private final CountDownLatch stop = new CountDownLatch(1);

  Consume(StrawClient client, Arguments arguments) {
    this.client = client;
    options =
        ConsumeOptions.builder(arguments.text("subscription"))
            .concurrency(arguments.number("concurrency", 16))
            .hooks(new Printing())
            .onGap(Output::gap)
            .build();
    iterate = arguments.text("form", "handler").equals("iterator");
    work = arguments.has("work") ? arguments.millis("work") : Duration.ZERO;
    actions =
        arguments.has("handler") ? arguments.take("handler").getAsJsonObject() : new JsonObject();
    stopAfter = arguments.number("stop_after", 0);
    arguments.end();
  }

  void run() throws Exception {
    Stdin.whenEnded(stop::countDown);
    if (iterate) {
      iterate();
    } else {
      handle();
    }
    Output.end();
  }

  private void handle() throws InterruptedException {
    Consumer consumer = client.consume(options, this::handle);
    consumer.completion().whenComplete((done, failure) -> stop.countDown());
    stop.await();
    consumer.close();
    consumer.awaitTermination();
  }

  private void iterate() throws InterruptedException {
    try (MessageStream messages = client.consume(options)) {
      Thread stopping = new Thread(() -> stopWhenAsked(messages), "stop");
      stopping.setDaemon(true);
      stopping.start();
      for (Message message : messages) {
        try {
          handle(message);
          message.ack();
        } catch (IllegalStateException e) {
          message.nack(Nack.retry().because(e.getMessage()));
        }
      }
    }
  }

  private void stopWhenAsked(MessageStream messages) {
    try {
      stop.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    messages.stop();
  }

  private void handle(Message message) throws InterruptedException {
    String id = message.event().getId();
    Output.print(Map.of("event", id, "attempt", message.attempt()));
    message.confirmation().thenAccept(status -> done(id, status.name()));
    Thread.sleep(work.toMillis());
    act(message, action(id));
  }

  private void done(String id, String status) {
    Output.print(Map.of("done", id, "status", status));
    if (confirmed.incrementAndGet() == stopAfter) {
      stop.countDown();
    }
  }

  private JsonElement action(String id) {
    for (String name : new String[] {id, "default"}) {
      if (actions.has(name)) {
        return actions.get(name);
      }
    }
    return new JsonPrimitive("ack");
  }

  private void act(Message message, JsonElement action) throws InterruptedException {
    if (action.isJsonObject()) {
      long delay = action.getAsJsonObject().get("retry_delay").getAsLong();
      message.nack(Nack.retryAfter(Duration.ofMillis(delay)));
      return;
    }
    switch (action.getAsString()) {
      case "ack" -> {}
      case "fail" -> throw new IllegalStateException("told to fail");
      case "dead_letter" -> message.nack(Nack.deadLetter());
      case "release" -> message.nack(Nack.release());
      case "hang" -> stop.await();
      default -> throw new AssertionError("action " + action + " is unknown");
    }
  }
}
