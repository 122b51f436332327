package dev.straw.client;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import dev.straw.v1.AnalysisCompleted;
import dev.straw.v1.Delivery;
import dev.straw.v1.Event;
import dev.straw.v1.EventServiceGrpc;
import dev.straw.v1.SubscribeRequest;
import dev.straw.v1.SubscribeResponse;
import io.grpc.BindableService;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;

/** The service behind the real definition, for answers that a real gateway can't be brought to. */
final class ScriptedGateway extends EventServiceGrpc.EventServiceImplBase
    implements AutoCloseable, ServerInterceptor {
  private final Server server;
  private final BiConsumer<Integer, StreamObserver<SubscribeResponse>> script;
  final List<SubscribeRequest> requests = new CopyOnWriteArrayList<>();
  final List<String> authorizations = new CopyOnWriteArrayList<>();

  /** The script is given the number of a call of Subscribe, from 1. */
  ScriptedGateway(
      BiConsumer<Integer, StreamObserver<SubscribeResponse>> script, BindableService... others)
      throws IOException {
    this(InsecureServerCredentials.create(), script, others);
  }

  ScriptedGateway(
      ServerCredentials credentials,
      BiConsumer<Integer, StreamObserver<SubscribeResponse>> script,
      BindableService... others)
      throws IOException {
    this.script = script;
    ServerBuilder<?> builder =
        Grpc.newServerBuilderForPort(0, credentials).addService(this).intercept(this);
    for (BindableService other : others) {
      builder.addService(other);
    }
    server = builder.build().start();
  }

  String address() {
    return "127.0.0.1:" + server.getPort();
  }

  StrawClient client() {
    return StrawClient.connect(address());
  }

  @Override
  public void subscribe(SubscribeRequest request, StreamObserver<SubscribeResponse> answer) {
    requests.add(request);
    script.accept(requests.size(), answer);
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    String given = headers.get(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER));
    authorizations.add(given == null ? "" : given);
    return next.startCall(call, headers);
  }

  /** A frame up to a position, with one event for each position after the one given. */
  static SubscribeResponse frame(int after, int upTo) {
    SubscribeResponse.Builder frame = SubscribeResponse.newBuilder().setCursor("c" + upTo);
    for (int i = after + 1; i <= upTo; i++) {
      frame.addDeliveries(Delivery.newBuilder().setEvent(event(i)));
    }
    return frame.build();
  }

  static Event.Builder event(int i) {
    return Event.newBuilder()
        .setId("evt_" + i)
        .setType(EventTypes.ANALYSIS_COMPLETED)
        .setCursor("c" + i)
        .setAnalysisCompleted(AnalysisCompleted.newBuilder().setAnalysisId("an_" + i));
  }

  /** An error as a gateway makes it. */
  static StatusRuntimeException refusal(
      Status.Code code, String reason, Map<String, String> metadata) {
    ErrorInfo info =
        ErrorInfo.newBuilder()
            .setDomain("straw.v1")
            .setReason(reason)
            .putAllMetadata(metadata)
            .build();
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .setMessage("what happened")
            .addDetails(Any.pack(info))
            .build());
  }

  @Override
  public void close() {
    server.shutdownNow();
  }
}
