package dev.straw.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import dev.straw.client.StrawClient;
import dev.straw.v1.AckResult;
import dev.straw.v1.AcknowledgeRequest;
import dev.straw.v1.Delivery;
import dev.straw.v1.ExtendDeadlineRequest;
import dev.straw.v1.GetSubscriptionRequest;
import dev.straw.v1.NackRequest;
import dev.straw.v1.SubscribeRequest;
import dev.straw.v1.SubscribeResponse;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Takes deliveries off a raw stream and settles them call by call. */
final class Settle {
  private final StrawClient client;
  private final String subscription;
  private final List<Delivery> deliveries = new ArrayList<>();

  private Settle(StrawClient client, String subscription) {
    this.client = client;
    this.subscription = subscription;
  }

  static void run(StrawClient client, Arguments arguments) {
    Settle settle = new Settle(client, arguments.text("subscription"));
    int count = arguments.number("count", 0);
    JsonElement calls = arguments.take("acks");
    arguments.end();
    settle.receive(count);
    calls.getAsJsonArray().forEach(call -> settle.call(call.getAsJsonObject()));
    Output.end();
  }

  private void receive(int count) {
    // A JVM's first call takes it long, and deliveries have deadlines.
    client
        .subscriptions()
        .getSubscription(GetSubscriptionRequest.newBuilder().setId(subscription).build());
    // It stays open until the client is closed.
    Iterator<SubscribeResponse> frames =
        client
            .events()
            .subscribe(SubscribeRequest.newBuilder().setSubscriptionId(subscription).build());
    while (deliveries.size() < count) {
      deliveries.addAll(frames.next().getDeliveriesList());
    }
    Output.print(
        Map.of(
            "deliveries",
            deliveries.stream().limit(count).map(d -> d.getEvent().getId()).toList()));
  }

  private void call(JsonObject call) {
    List<String> ids = new ArrayList<>();
    call.getAsJsonArray("ids").forEach(id -> ids.add(ackId(id.getAsJsonPrimitive())));
    String action = call.get("do").getAsString();
    Output.print(
        Map.of("results", results(action, ids).stream().map(r -> r.getStatus().name()).toList()));
  }

  private String ackId(JsonPrimitive id) {
    return id.isNumber() ? deliveries.get(id.getAsInt()).getAckId() : id.getAsString();
  }

  private List<AckResult> results(String action, List<String> ids) {
    return switch (action) {
      case "ack" -> ack(ids);
      case "nack" ->
          client
              .subscriptions()
              .nack(
                  NackRequest.newBuilder()
                      .setSubscriptionId(subscription)
                      .addAllAckIds(ids)
                      .build())
              .getResultsList();
      case "extend" ->
          client
              .subscriptions()
              .extendDeadline(
                  ExtendDeadlineRequest.newBuilder()
                      .setSubscriptionId(subscription)
                      .addAllAckIds(ids)
                      .build())
              .getResultsList();
      default -> throw new Arguments.Wrong("call " + action + " is unknown");
    };
  }

  private List<AckResult> ack(List<String> ids) {
    return client
        .subscriptions()
        .acknowledge(
            AcknowledgeRequest.newBuilder()
                .setSubscriptionId(subscription)
                .addAllAckIds(ids)
                .build())
        .getResultsList();
  }
}
