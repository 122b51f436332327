package dev.straw.client;

import static dev.straw.client.ScriptedGateway.event;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.straw.v1.AckResult;
import dev.straw.v1.AcknowledgeRequest;
import dev.straw.v1.AcknowledgeResponse;
import dev.straw.v1.Delivery;
import dev.straw.v1.GetSubscriptionRequest;
import dev.straw.v1.SubscribeResponse;
import dev.straw.v1.Subscription;
import dev.straw.v1.SubscriptionServiceGrpc;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What becomes of acknowledgements that the gateway refuses, or whose answer is lost. */
@Timeout(60)
class RefusedAckTest {
  private final CompletableFuture<StreamObserver<SubscribeResponse>> stream =
      new CompletableFuture<>();
  private final List<List<String>> acknowledged = new CopyOnWriteArrayList<>();

  /** Fails the first call as told; before it answers the second it sends the event again. */
  private final class Subscriptions extends SubscriptionServiceGrpc.SubscriptionServiceImplBase {
    private final RuntimeException refusal;

    Subscriptions(RuntimeException refusal) {
      this.refusal = refusal;
    }

    @Override
    public void getSubscription(
        GetSubscriptionRequest request, StreamObserver<Subscription> answer) {
      answer.onNext(Subscription.newBuilder().setId(request.getId()).build());
      answer.onCompleted();
    }

    @Override
    public void acknowledge(
        AcknowledgeRequest request, StreamObserver<AcknowledgeResponse> answer) {
      acknowledged.add(request.getAckIdsList());
      if (acknowledged.size() == 1) {
        stream.join().onNext(delivery(2));
        answer.onError(refusal);
        return;
      }
      AcknowledgeResponse.Builder results = AcknowledgeResponse.newBuilder();
      for (String id : request.getAckIdsList()) {
        results.addResults(AckResult.newBuilder().setAckId(id).setStatus(AckResult.Status.ACKED));
      }
      answer.onNext(results.build());
      answer.onCompleted();
    }
  }

  private static SubscribeResponse delivery(int attempt) {
    return SubscribeResponse.newBuilder()
        .addDeliveries(
            Delivery.newBuilder().setEvent(event(1)).setAckId("ack_" + attempt).setAttempt(attempt))
        .build();
  }

  private ScriptedGateway gateway(RuntimeException refusal) throws Exception {
    return new ScriptedGateway(
        (call, answer) -> {
          answer.onNext(
              SubscribeResponse.newBuilder()
                  .setHeartbeatInterval(com.google.protobuf.Duration.newBuilder().setSeconds(15))
                  .build());
          answer.onNext(delivery(1));
          stream.complete(answer);
        },
        new Subscriptions(refusal));
  }

  @Test
  void whatIsRefusedIsReportedAndComesAgain() throws Exception {
    RuntimeException full =
        ScriptedGateway.refusal(Status.Code.RESOURCE_EXHAUSTED, "STORAGE_FULL", Map.of());
    try (ScriptedGateway gateway = gateway(full);
        StrawClient client = gateway.client();
        MessageStream messages = client.consume(ConsumeOptions.of("work"))) {
      Message first = messages.next();
      ExecutionException failure =
          assertThrows(ExecutionException.class, () -> first.ack().get(10, TimeUnit.SECONDS));
      assertEquals("STORAGE_FULL", ((StrawException) failure.getCause()).reasonName());
      Message second = messages.next();
      assertEquals(2, second.attempt());
      assertEquals(AckResult.Status.ACKED, second.ack().get(10, TimeUnit.SECONDS));
    }
    assertEquals(List.of(List.of("ack_1"), List.of("ack_2")), acknowledged);
  }

  /** The event that was sent again meanwhile isn't handed out: it is the same one. */
  @Test
  void aLostAnswerIsAskedForAgain() throws Exception {
    RuntimeException lost = Status.UNAVAILABLE.withDescription("the cable").asRuntimeException();
    try (ScriptedGateway gateway = gateway(lost);
        StrawClient client = gateway.client();
        MessageStream messages = client.consume(ConsumeOptions.of("work"))) {
      Message message = messages.next();
      assertEquals(AckResult.Status.ACKED, message.ack().get(10, TimeUnit.SECONDS));
      messages.stop();
      assertFalse(messages.hasNext());
    }
    assertEquals(List.of(List.of("ack_1"), List.of("ack_1")), acknowledged);
  }
}
