package dev.straw.conformance;

import com.google.protobuf.FieldMask;
import dev.straw.client.StrawClient;
import dev.straw.v1.CreateSubscriptionRequest;
import dev.straw.v1.DeleteSubscriptionRequest;
import dev.straw.v1.GetSubscriptionRequest;
import dev.straw.v1.ListSubscriptionsRequest;
import dev.straw.v1.ListSubscriptionsResponse;
import dev.straw.v1.SeekSubscriptionRequest;
import dev.straw.v1.StartPosition;
import dev.straw.v1.Subscription;
import dev.straw.v1.SubscriptionServiceGrpc.SubscriptionServiceBlockingStub;
import dev.straw.v1.UpdateSubscriptionRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Manages a subscription from its beginning to its end. */
final class Manage {
  private final SubscriptionServiceBlockingStub stub;
  private final String id;

  private Manage(SubscriptionServiceBlockingStub stub, String id) {
    this.stub = stub;
    this.id = id;
  }

  static void run(StrawClient client, Arguments arguments) {
    Manage manage = new Manage(client.subscriptions(), arguments.text("subscription"));
    List<String> types = arguments.texts("types");
    arguments.end();
    manage.run(types);
  }

  private void run(List<String> types) {
    Subscription wanted = Subscription.newBuilder().setId(id).addAllTypes(types).build();
    CreateSubscriptionRequest create =
        CreateSubscriptionRequest.newBuilder().setSubscription(wanted).build();
    Output.print(Map.of("created", stub.createSubscription(create).getId()));
    Output.print(Map.of("got", get()));
    Output.print(Map.of("listed", list()));
    Output.print(Map.of("paused", pause(true)));
    Output.print(Map.of("paused", pause(false)));
    SeekSubscriptionRequest seek =
        SeekSubscriptionRequest.newBuilder()
            .setSubscriptionId(id)
            .setStartPosition(StartPosition.EARLIEST)
            .setDryRun(true)
            .build();
    Output.print(Map.of("owed", stub.seekSubscription(seek).getOwedCount()));
    stub.deleteSubscription(DeleteSubscriptionRequest.newBuilder().setId(id).build());
    Output.print(Map.of("deleted", true));
    get();
  }

  private String get() {
    return stub.getSubscription(GetSubscriptionRequest.newBuilder().setId(id).build()).getId();
  }

  private List<String> list() {
    List<String> ids = new ArrayList<>();
    String token = "";
    do {
      ListSubscriptionsResponse page =
          stub.listSubscriptions(
              ListSubscriptionsRequest.newBuilder().setPageSize(2).setPageToken(token).build());
      page.getSubscriptionsList().forEach(subscription -> ids.add(subscription.getId()));
      token = page.getNextPageToken();
    } while (!token.isEmpty());
    return ids;
  }

  private boolean pause(boolean paused) {
    UpdateSubscriptionRequest update =
        UpdateSubscriptionRequest.newBuilder()
            .setSubscription(Subscription.newBuilder().setId(id).setPaused(paused))
            .setUpdateMask(FieldMask.newBuilder().addPaths("paused"))
            .build();
    return stub.updateSubscription(update).getPaused();
  }
}
