package dev.straw.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * GatewayService is about the gateway itself.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class GatewayServiceGrpc {

  private GatewayServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "straw.v1.GatewayService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.GetStatusRequest,
      dev.straw.v1.GetStatusResponse> getGetStatusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetStatus",
      requestType = dev.straw.v1.GetStatusRequest.class,
      responseType = dev.straw.v1.GetStatusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.GetStatusRequest,
      dev.straw.v1.GetStatusResponse> getGetStatusMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.GetStatusRequest, dev.straw.v1.GetStatusResponse> getGetStatusMethod;
    if ((getGetStatusMethod = GatewayServiceGrpc.getGetStatusMethod) == null) {
      synchronized (GatewayServiceGrpc.class) {
        if ((getGetStatusMethod = GatewayServiceGrpc.getGetStatusMethod) == null) {
          GatewayServiceGrpc.getGetStatusMethod = getGetStatusMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.GetStatusRequest, dev.straw.v1.GetStatusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetStatus"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.GetStatusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.GetStatusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GatewayServiceMethodDescriptorSupplier("GetStatus"))
              .build();
        }
      }
    }
    return getGetStatusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.RegisterWebhookRequest,
      dev.straw.v1.RegisterWebhookResponse> getRegisterWebhookMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RegisterWebhook",
      requestType = dev.straw.v1.RegisterWebhookRequest.class,
      responseType = dev.straw.v1.RegisterWebhookResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.RegisterWebhookRequest,
      dev.straw.v1.RegisterWebhookResponse> getRegisterWebhookMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.RegisterWebhookRequest, dev.straw.v1.RegisterWebhookResponse> getRegisterWebhookMethod;
    if ((getRegisterWebhookMethod = GatewayServiceGrpc.getRegisterWebhookMethod) == null) {
      synchronized (GatewayServiceGrpc.class) {
        if ((getRegisterWebhookMethod = GatewayServiceGrpc.getRegisterWebhookMethod) == null) {
          GatewayServiceGrpc.getRegisterWebhookMethod = getRegisterWebhookMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.RegisterWebhookRequest, dev.straw.v1.RegisterWebhookResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RegisterWebhook"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.RegisterWebhookRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.RegisterWebhookResponse.getDefaultInstance()))
              .setSchemaDescriptor(new GatewayServiceMethodDescriptorSupplier("RegisterWebhook"))
              .build();
        }
      }
    }
    return getRegisterWebhookMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static GatewayServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceStub>() {
        @java.lang.Override
        public GatewayServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceStub(channel, callOptions);
        }
      };
    return GatewayServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static GatewayServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingV2Stub>() {
        @java.lang.Override
        public GatewayServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return GatewayServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static GatewayServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceBlockingStub>() {
        @java.lang.Override
        public GatewayServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceBlockingStub(channel, callOptions);
        }
      };
    return GatewayServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static GatewayServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<GatewayServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<GatewayServiceFutureStub>() {
        @java.lang.Override
        public GatewayServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new GatewayServiceFutureStub(channel, callOptions);
        }
      };
    return GatewayServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * GatewayService is about the gateway itself.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Returns what the gateway is, holds and has counted. No secret is in it.
     * </pre>
     */
    default void getStatus(dev.straw.v1.GetStatusRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.GetStatusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetStatusMethod(), responseObserver);
    }

    /**
     * <pre>
     * Registers a webhook with Juicebox, signed with the first configured secret. Only for a URL whose host the gateway's operator
     * has named with `--allow-register-host`: whoever is registered gets the webhooks. Errors: PERMISSION_DENIED
     * (HOST_NOT_ALLOWED), INVALID_ARGUMENT (INVALID_FIELD, UNKNOWN_EVENT_TYPE), UNAVAILABLE (UPSTREAM_UNREACHABLE),
     * FAILED_PRECONDITION (UPSTREAM_REJECTED, with Juicebox's status), RESOURCE_EXHAUSTED (UPSTREAM_HELD, until Juicebox's quota
     * starts anew).
     * </pre>
     */
    default void registerWebhook(dev.straw.v1.RegisterWebhookRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.RegisterWebhookResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRegisterWebhookMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service GatewayService.
   * <pre>
   * GatewayService is about the gateway itself.
   * </pre>
   */
  public static abstract class GatewayServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return GatewayServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service GatewayService.
   * <pre>
   * GatewayService is about the gateway itself.
   * </pre>
   */
  public static final class GatewayServiceStub
      extends io.grpc.stub.AbstractAsyncStub<GatewayServiceStub> {
    private GatewayServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns what the gateway is, holds and has counted. No secret is in it.
     * </pre>
     */
    public void getStatus(dev.straw.v1.GetStatusRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.GetStatusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetStatusMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Registers a webhook with Juicebox, signed with the first configured secret. Only for a URL whose host the gateway's operator
     * has named with `--allow-register-host`: whoever is registered gets the webhooks. Errors: PERMISSION_DENIED
     * (HOST_NOT_ALLOWED), INVALID_ARGUMENT (INVALID_FIELD, UNKNOWN_EVENT_TYPE), UNAVAILABLE (UPSTREAM_UNREACHABLE),
     * FAILED_PRECONDITION (UPSTREAM_REJECTED, with Juicebox's status), RESOURCE_EXHAUSTED (UPSTREAM_HELD, until Juicebox's quota
     * starts anew).
     * </pre>
     */
    public void registerWebhook(dev.straw.v1.RegisterWebhookRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.RegisterWebhookResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRegisterWebhookMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service GatewayService.
   * <pre>
   * GatewayService is about the gateway itself.
   * </pre>
   */
  public static final class GatewayServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<GatewayServiceBlockingV2Stub> {
    private GatewayServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns what the gateway is, holds and has counted. No secret is in it.
     * </pre>
     */
    public dev.straw.v1.GetStatusResponse getStatus(dev.straw.v1.GetStatusRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetStatusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Registers a webhook with Juicebox, signed with the first configured secret. Only for a URL whose host the gateway's operator
     * has named with `--allow-register-host`: whoever is registered gets the webhooks. Errors: PERMISSION_DENIED
     * (HOST_NOT_ALLOWED), INVALID_ARGUMENT (INVALID_FIELD, UNKNOWN_EVENT_TYPE), UNAVAILABLE (UPSTREAM_UNREACHABLE),
     * FAILED_PRECONDITION (UPSTREAM_REJECTED, with Juicebox's status), RESOURCE_EXHAUSTED (UPSTREAM_HELD, until Juicebox's quota
     * starts anew).
     * </pre>
     */
    public dev.straw.v1.RegisterWebhookResponse registerWebhook(dev.straw.v1.RegisterWebhookRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRegisterWebhookMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service GatewayService.
   * <pre>
   * GatewayService is about the gateway itself.
   * </pre>
   */
  public static final class GatewayServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<GatewayServiceBlockingStub> {
    private GatewayServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns what the gateway is, holds and has counted. No secret is in it.
     * </pre>
     */
    public dev.straw.v1.GetStatusResponse getStatus(dev.straw.v1.GetStatusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetStatusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Registers a webhook with Juicebox, signed with the first configured secret. Only for a URL whose host the gateway's operator
     * has named with `--allow-register-host`: whoever is registered gets the webhooks. Errors: PERMISSION_DENIED
     * (HOST_NOT_ALLOWED), INVALID_ARGUMENT (INVALID_FIELD, UNKNOWN_EVENT_TYPE), UNAVAILABLE (UPSTREAM_UNREACHABLE),
     * FAILED_PRECONDITION (UPSTREAM_REJECTED, with Juicebox's status), RESOURCE_EXHAUSTED (UPSTREAM_HELD, until Juicebox's quota
     * starts anew).
     * </pre>
     */
    public dev.straw.v1.RegisterWebhookResponse registerWebhook(dev.straw.v1.RegisterWebhookRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRegisterWebhookMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service GatewayService.
   * <pre>
   * GatewayService is about the gateway itself.
   * </pre>
   */
  public static final class GatewayServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<GatewayServiceFutureStub> {
    private GatewayServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected GatewayServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new GatewayServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns what the gateway is, holds and has counted. No secret is in it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.GetStatusResponse> getStatus(
        dev.straw.v1.GetStatusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetStatusMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Registers a webhook with Juicebox, signed with the first configured secret. Only for a URL whose host the gateway's operator
     * has named with `--allow-register-host`: whoever is registered gets the webhooks. Errors: PERMISSION_DENIED
     * (HOST_NOT_ALLOWED), INVALID_ARGUMENT (INVALID_FIELD, UNKNOWN_EVENT_TYPE), UNAVAILABLE (UPSTREAM_UNREACHABLE),
     * FAILED_PRECONDITION (UPSTREAM_REJECTED, with Juicebox's status), RESOURCE_EXHAUSTED (UPSTREAM_HELD, until Juicebox's quota
     * starts anew).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.RegisterWebhookResponse> registerWebhook(
        dev.straw.v1.RegisterWebhookRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRegisterWebhookMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_STATUS = 0;
  private static final int METHODID_REGISTER_WEBHOOK = 1;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_GET_STATUS:
          serviceImpl.getStatus((dev.straw.v1.GetStatusRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.GetStatusResponse>) responseObserver);
          break;
        case METHODID_REGISTER_WEBHOOK:
          serviceImpl.registerWebhook((dev.straw.v1.RegisterWebhookRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.RegisterWebhookResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGetStatusMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.GetStatusRequest,
              dev.straw.v1.GetStatusResponse>(
                service, METHODID_GET_STATUS)))
        .addMethod(
          getRegisterWebhookMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.RegisterWebhookRequest,
              dev.straw.v1.RegisterWebhookResponse>(
                service, METHODID_REGISTER_WEBHOOK)))
        .build();
  }

  private static abstract class GatewayServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    GatewayServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.straw.v1.GatewayServiceOuterClass.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("GatewayService");
    }
  }

  private static final class GatewayServiceFileDescriptorSupplier
      extends GatewayServiceBaseDescriptorSupplier {
    GatewayServiceFileDescriptorSupplier() {}
  }

  private static final class GatewayServiceMethodDescriptorSupplier
      extends GatewayServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    GatewayServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (GatewayServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new GatewayServiceFileDescriptorSupplier())
              .addMethod(getGetStatusMethod())
              .addMethod(getRegisterWebhookMethod())
              .build();
        }
      }
    }
    return result;
  }
}
