package dev.straw.client;

import static dev.straw.client.ScriptedGateway.event;
import static dev.straw.client.ScriptedGateway.frame;
import static dev.straw.client.ScriptedGateway.refusal;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.UnknownFieldSet;
import dev.straw.v1.Delivery;
import dev.straw.v1.ErrorReason;
import dev.straw.v1.Event;
import dev.straw.v1.Gap;
import dev.straw.v1.GoingAway;
import dev.straw.v1.OnGap;
import dev.straw.v1.SubscribeRequest;
import dev.straw.v1.SubscribeResponse;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What a real gateway can't be brought to at will: refusals in mid-stream, gaps, newer messages.
 */
@Timeout(60)
class ScriptedTest {
  private static final StatusRuntimeException TOO_MANY =
      refusal(Status.Code.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", Map.of("limit", "1"));
  private static final StatusRuntimeException EXPIRED =
      refusal(Status.Code.OUT_OF_RANGE, "CURSOR_EXPIRED", Map.of("oldest", "c8"));
  private static final StatusRuntimeException DRAINING =
      refusal(Status.Code.UNAVAILABLE, "DRAINING", Map.of());

  private static SubscribeOptions.Builder replay() {
    return SubscribeOptions.builder().start(Start.earliest()).endAtHead(true);
  }

  private static List<String> read(ScriptedGateway gateway, SubscribeOptions options) {
    List<String> ids = new ArrayList<>();
    try (StrawClient client = gateway.client();
        EventStream events = client.subscribe(options)) {
      events.forEach(event -> ids.add(event.getId()));
    }
    return ids;
  }

  /**
   * The first call brings two events and fails, the next are refused as told, and then it goes on.
   */
  private static ScriptedGateway refusing(StatusRuntimeException... refusals) throws Exception {
    return new ScriptedGateway(
        (call, answer) -> {
          if (call == 1) {
            answer.onNext(frame(0, 0));
            answer.onNext(frame(0, 2));
            answer.onError(DRAINING);
          } else if (call - 2 < refusals.length) {
            answer.onError(refusals[call - 2]);
          } else {
            answer.onNext(frame(2, 2));
            answer.onNext(frame(2, 3));
            answer.onCompleted();
          }
        });
  }

  @Test
  void goesOnAfterWhatPasses() throws Exception {
    StatusRuntimeException proxys =
        Status.INTERNAL.withDescription("RST_STREAM").asRuntimeException();
    try (ScriptedGateway gateway = refusing(TOO_MANY, DRAINING, proxys)) {
      assertEquals(List.of("evt_1", "evt_2", "evt_3"), read(gateway, replay().build()));
      List<String> starts = gateway.requests.stream().map(SubscribeRequest::getAfter).toList();
      assertEquals(List.of("", "c2", "c2", "c2", "c2"), starts);
    }
  }

  @Test
  void aGatewaysOwnRefusalIsFinal() throws Exception {
    for (StatusRuntimeException refusal :
        List.of(EXPIRED, refusal(Status.Code.INTERNAL, "STORE_CORRUPT", Map.of()))) {
      try (ScriptedGateway gateway = refusing(refusal)) {
        StrawException failure =
            assertThrows(StrawException.class, () -> read(gateway, replay().build()));
        assertEquals(refusal.getStatus().getCode(), failure.code());
        assertEquals(2, gateway.requests.size());
      }
    }
  }

  @Test
  void tooManyStreamsIsFinalAtFirst() throws Exception {
    try (ScriptedGateway gateway =
        new ScriptedGateway((call, answer) -> answer.onError(TOO_MANY))) {
      StrawException failure =
          assertThrows(StrawException.class, () -> read(gateway, replay().build()));
      assertEquals(ErrorReason.TOO_MANY_STREAMS, failure.reason());
      assertEquals(Map.of("limit", "1"), failure.metadata());
      assertEquals(1, gateway.requests.size());
    }
  }

  @Test
  void aReasonOfANewerGatewayKeepsItsName() throws Exception {
    StatusRuntimeException newer = refusal(Status.Code.NOT_FOUND, "GALAXY_NOT_FOUND", Map.of());
    try (ScriptedGateway gateway = new ScriptedGateway((call, answer) -> answer.onError(newer))) {
      StrawException failure =
          assertThrows(StrawException.class, () -> read(gateway, replay().build()));
      assertEquals(ErrorReason.UNRECOGNIZED, failure.reason());
      assertEquals("GALAXY_NOT_FOUND", failure.reasonName());
    }
  }

  @Test
  void anEndThatWasNotAskedForIsAFailure() throws Exception {
    try (ScriptedGateway gateway =
        new ScriptedGateway(
            (call, answer) -> {
              answer.onNext(frame(call - 1, call));
              answer.onCompleted();
            })) {
      List<String> ids = new ArrayList<>();
      try (StrawClient client = gateway.client();
          EventStream events =
              client.subscribe(SubscribeOptions.builder().start(Start.earliest()).build())) {
        while (ids.size() < 3) {
          ids.add(events.next().getId());
        }
      }
      assertEquals(List.of("evt_1", "evt_2", "evt_3"), ids);
    }
  }

  @Test
  void aGapIsToldOfInItsPlace() throws Exception {
    Gap gap = Gap.newBuilder().setRequested("c1").setOldest("c8").build();
    try (ScriptedGateway gateway =
        new ScriptedGateway(
            (call, answer) -> {
              answer.onNext(frame(0, 1));
              answer.onNext(SubscribeResponse.newBuilder().setCursor("c8").setGap(gap).build());
              answer.onNext(frame(8, 9));
              answer.onCompleted();
            })) {
      List<String> got = new ArrayList<>();
      SubscribeOptions options =
          replay().continueOnGap(lost -> got.add("gap to " + lost.getOldest())).build();
      try (StrawClient client = gateway.client();
          EventStream events = client.subscribe(options)) {
        events.forEach(event -> got.add(event.getId()));
      }
      assertEquals(List.of("evt_1", "gap to c8", "evt_9"), got);
      assertEquals(OnGap.CONTINUE, gateway.requests.get(0).getOnGap());
    }
  }

  @Test
  void aGoingGatewayIsGivenItsTime() throws Exception {
    List<java.time.Duration> waits = new ArrayList<>();
    Hooks hooks =
        new Hooks() {
          @Override
          public void disconnected(StrawException cause, java.time.Duration retryIn) {
            waits.add(retryIn);
          }
        };
    GoingAway away =
        GoingAway.newBuilder().setRetryDelay(Duration.newBuilder().setNanos(300_000_000)).build();
    try (ScriptedGateway gateway =
        new ScriptedGateway(
            (call, answer) -> {
              answer.onNext(frame(call - 1, call));
              if (call == 1) {
                answer.onNext(
                    SubscribeResponse.newBuilder().setCursor("c1").setGoingAway(away).build());
                answer.onError(DRAINING);
              } else {
                answer.onCompleted();
              }
            })) {
      assertEquals(List.of("evt_1", "evt_2"), read(gateway, replay().hooks(hooks).build()));
    }
    assertEquals(1, waits.size());
    assertTrue(waits.get(0).toMillis() >= 300 && waits.get(0).toMillis() <= 400, waits::toString);
  }

  @Test
  void aPayloadOfANewerGatewayReachesTheProgram() throws Exception {
    UnknownFieldSet newer =
        UnknownFieldSet.newBuilder()
            .addField(
                77,
                UnknownFieldSet.Field.newBuilder()
                    .addLengthDelimited(ByteString.copyFromUtf8("\n\u0001x"))
                    .build())
            .build();
    Event moved =
        event(1).clearPayload().setType("candidate.moved").setUnknownFields(newer).build();
    try (ScriptedGateway gateway =
            new ScriptedGateway(
                (call, answer) -> {
                  answer.onNext(
                      SubscribeResponse.newBuilder()
                          .setCursor("c1")
                          .addFeatures("telepathy")
                          .setUnknownFields(newer)
                          .addDeliveries(Delivery.newBuilder().setEvent(moved))
                          .build());
                  answer.onCompleted();
                });
        StrawClient client = gateway.client();
        EventStream events = client.subscribe(replay().build())) {
      Event event = events.next();
      assertEquals("candidate.moved", event.getType());
      assertEquals(Event.PayloadCase.PAYLOAD_NOT_SET, event.getPayloadCase());
    }
  }

  @Test
  void aHookThatFailsEndsTheSubscription() throws Exception {
    Hooks hooks =
        new Hooks() {
          @Override
          public void frame(SubscribeResponse frame) {
            if (frame.getCursor().equals("c2")) {
              throw new IllegalStateException("no more room");
            }
          }
        };
    List<String> ids = new ArrayList<>();
    try (ScriptedGateway gateway = refusing();
        StrawClient client = gateway.client();
        EventStream events = client.subscribe(replay().hooks(hooks).build())) {
      assertThrows(
          IllegalStateException.class, () -> events.forEach(event -> ids.add(event.getId())));
      events.forEach(event -> ids.add(event.getId()));
    }
    assertEquals(List.of(), ids);
  }
}
