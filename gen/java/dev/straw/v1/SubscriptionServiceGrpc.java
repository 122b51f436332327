package dev.straw.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * SubscriptionService manages durable subscriptions: the gateway keeps their position, any number of processes share their
 * events through EventService.Subscribe, and each event is delivered until it is acknowledged or dead-lettered.
 * Every call with an unknown subscription fails with NOT_FOUND (SUBSCRIPTION_NOT_FOUND).
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class SubscriptionServiceGrpc {

  private SubscriptionServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "straw.v1.SubscriptionService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.CreateSubscriptionRequest,
      dev.straw.v1.Subscription> getCreateSubscriptionMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateSubscription",
      requestType = dev.straw.v1.CreateSubscriptionRequest.class,
      responseType = dev.straw.v1.Subscription.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.CreateSubscriptionRequest,
      dev.straw.v1.Subscription> getCreateSubscriptionMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.CreateSubscriptionRequest, dev.straw.v1.Subscription> getCreateSubscriptionMethod;
    if ((getCreateSubscriptionMethod = SubscriptionServiceGrpc.getCreateSubscriptionMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getCreateSubscriptionMethod = SubscriptionServiceGrpc.getCreateSubscriptionMethod) == null) {
          SubscriptionServiceGrpc.getCreateSubscriptionMethod = getCreateSubscriptionMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.CreateSubscriptionRequest, dev.straw.v1.Subscription>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateSubscription"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.CreateSubscriptionRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.Subscription.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("CreateSubscription"))
              .build();
        }
      }
    }
    return getCreateSubscriptionMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.GetSubscriptionRequest,
      dev.straw.v1.Subscription> getGetSubscriptionMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetSubscription",
      requestType = dev.straw.v1.GetSubscriptionRequest.class,
      responseType = dev.straw.v1.Subscription.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.GetSubscriptionRequest,
      dev.straw.v1.Subscription> getGetSubscriptionMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.GetSubscriptionRequest, dev.straw.v1.Subscription> getGetSubscriptionMethod;
    if ((getGetSubscriptionMethod = SubscriptionServiceGrpc.getGetSubscriptionMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getGetSubscriptionMethod = SubscriptionServiceGrpc.getGetSubscriptionMethod) == null) {
          SubscriptionServiceGrpc.getGetSubscriptionMethod = getGetSubscriptionMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.GetSubscriptionRequest, dev.straw.v1.Subscription>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetSubscription"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.GetSubscriptionRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.Subscription.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("GetSubscription"))
              .build();
        }
      }
    }
    return getGetSubscriptionMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.ListSubscriptionsRequest,
      dev.straw.v1.ListSubscriptionsResponse> getListSubscriptionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListSubscriptions",
      requestType = dev.straw.v1.ListSubscriptionsRequest.class,
      responseType = dev.straw.v1.ListSubscriptionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.ListSubscriptionsRequest,
      dev.straw.v1.ListSubscriptionsResponse> getListSubscriptionsMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.ListSubscriptionsRequest, dev.straw.v1.ListSubscriptionsResponse> getListSubscriptionsMethod;
    if ((getListSubscriptionsMethod = SubscriptionServiceGrpc.getListSubscriptionsMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getListSubscriptionsMethod = SubscriptionServiceGrpc.getListSubscriptionsMethod) == null) {
          SubscriptionServiceGrpc.getListSubscriptionsMethod = getListSubscriptionsMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.ListSubscriptionsRequest, dev.straw.v1.ListSubscriptionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListSubscriptions"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ListSubscriptionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ListSubscriptionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("ListSubscriptions"))
              .build();
        }
      }
    }
    return getListSubscriptionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.UpdateSubscriptionRequest,
      dev.straw.v1.Subscription> getUpdateSubscriptionMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateSubscription",
      requestType = dev.straw.v1.UpdateSubscriptionRequest.class,
      responseType = dev.straw.v1.Subscription.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.UpdateSubscriptionRequest,
      dev.straw.v1.Subscription> getUpdateSubscriptionMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.UpdateSubscriptionRequest, dev.straw.v1.Subscription> getUpdateSubscriptionMethod;
    if ((getUpdateSubscriptionMethod = SubscriptionServiceGrpc.getUpdateSubscriptionMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getUpdateSubscriptionMethod = SubscriptionServiceGrpc.getUpdateSubscriptionMethod) == null) {
          SubscriptionServiceGrpc.getUpdateSubscriptionMethod = getUpdateSubscriptionMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.UpdateSubscriptionRequest, dev.straw.v1.Subscription>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateSubscription"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.UpdateSubscriptionRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.Subscription.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("UpdateSubscription"))
              .build();
        }
      }
    }
    return getUpdateSubscriptionMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.DeleteSubscriptionRequest,
      com.google.protobuf.Empty> getDeleteSubscriptionMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteSubscription",
      requestType = dev.straw.v1.DeleteSubscriptionRequest.class,
      responseType = com.google.protobuf.Empty.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.DeleteSubscriptionRequest,
      com.google.protobuf.Empty> getDeleteSubscriptionMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.DeleteSubscriptionRequest, com.google.protobuf.Empty> getDeleteSubscriptionMethod;
    if ((getDeleteSubscriptionMethod = SubscriptionServiceGrpc.getDeleteSubscriptionMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getDeleteSubscriptionMethod = SubscriptionServiceGrpc.getDeleteSubscriptionMethod) == null) {
          SubscriptionServiceGrpc.getDeleteSubscriptionMethod = getDeleteSubscriptionMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.DeleteSubscriptionRequest, com.google.protobuf.Empty>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteSubscription"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.DeleteSubscriptionRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  com.google.protobuf.Empty.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("DeleteSubscription"))
              .build();
        }
      }
    }
    return getDeleteSubscriptionMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.AcknowledgeRequest,
      dev.straw.v1.AcknowledgeResponse> getAcknowledgeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Acknowledge",
      requestType = dev.straw.v1.AcknowledgeRequest.class,
      responseType = dev.straw.v1.AcknowledgeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.AcknowledgeRequest,
      dev.straw.v1.AcknowledgeResponse> getAcknowledgeMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.AcknowledgeRequest, dev.straw.v1.AcknowledgeResponse> getAcknowledgeMethod;
    if ((getAcknowledgeMethod = SubscriptionServiceGrpc.getAcknowledgeMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getAcknowledgeMethod = SubscriptionServiceGrpc.getAcknowledgeMethod) == null) {
          SubscriptionServiceGrpc.getAcknowledgeMethod = getAcknowledgeMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.AcknowledgeRequest, dev.straw.v1.AcknowledgeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Acknowledge"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.AcknowledgeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.AcknowledgeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("Acknowledge"))
              .build();
        }
      }
    }
    return getAcknowledgeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.NackRequest,
      dev.straw.v1.NackResponse> getNackMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Nack",
      requestType = dev.straw.v1.NackRequest.class,
      responseType = dev.straw.v1.NackResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.NackRequest,
      dev.straw.v1.NackResponse> getNackMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.NackRequest, dev.straw.v1.NackResponse> getNackMethod;
    if ((getNackMethod = SubscriptionServiceGrpc.getNackMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getNackMethod = SubscriptionServiceGrpc.getNackMethod) == null) {
          SubscriptionServiceGrpc.getNackMethod = getNackMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.NackRequest, dev.straw.v1.NackResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Nack"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.NackRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.NackResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("Nack"))
              .build();
        }
      }
    }
    return getNackMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.ExtendDeadlineRequest,
      dev.straw.v1.ExtendDeadlineResponse> getExtendDeadlineMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExtendDeadline",
      requestType = dev.straw.v1.ExtendDeadlineRequest.class,
      responseType = dev.straw.v1.ExtendDeadlineResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.ExtendDeadlineRequest,
      dev.straw.v1.ExtendDeadlineResponse> getExtendDeadlineMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.ExtendDeadlineRequest, dev.straw.v1.ExtendDeadlineResponse> getExtendDeadlineMethod;
    if ((getExtendDeadlineMethod = SubscriptionServiceGrpc.getExtendDeadlineMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getExtendDeadlineMethod = SubscriptionServiceGrpc.getExtendDeadlineMethod) == null) {
          SubscriptionServiceGrpc.getExtendDeadlineMethod = getExtendDeadlineMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.ExtendDeadlineRequest, dev.straw.v1.ExtendDeadlineResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExtendDeadline"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ExtendDeadlineRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ExtendDeadlineResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("ExtendDeadline"))
              .build();
        }
      }
    }
    return getExtendDeadlineMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.SeekSubscriptionRequest,
      dev.straw.v1.SeekSubscriptionResponse> getSeekSubscriptionMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SeekSubscription",
      requestType = dev.straw.v1.SeekSubscriptionRequest.class,
      responseType = dev.straw.v1.SeekSubscriptionResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.SeekSubscriptionRequest,
      dev.straw.v1.SeekSubscriptionResponse> getSeekSubscriptionMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.SeekSubscriptionRequest, dev.straw.v1.SeekSubscriptionResponse> getSeekSubscriptionMethod;
    if ((getSeekSubscriptionMethod = SubscriptionServiceGrpc.getSeekSubscriptionMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getSeekSubscriptionMethod = SubscriptionServiceGrpc.getSeekSubscriptionMethod) == null) {
          SubscriptionServiceGrpc.getSeekSubscriptionMethod = getSeekSubscriptionMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.SeekSubscriptionRequest, dev.straw.v1.SeekSubscriptionResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SeekSubscription"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.SeekSubscriptionRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.SeekSubscriptionResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("SeekSubscription"))
              .build();
        }
      }
    }
    return getSeekSubscriptionMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.ListDeadLettersRequest,
      dev.straw.v1.ListDeadLettersResponse> getListDeadLettersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListDeadLetters",
      requestType = dev.straw.v1.ListDeadLettersRequest.class,
      responseType = dev.straw.v1.ListDeadLettersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.ListDeadLettersRequest,
      dev.straw.v1.ListDeadLettersResponse> getListDeadLettersMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.ListDeadLettersRequest, dev.straw.v1.ListDeadLettersResponse> getListDeadLettersMethod;
    if ((getListDeadLettersMethod = SubscriptionServiceGrpc.getListDeadLettersMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getListDeadLettersMethod = SubscriptionServiceGrpc.getListDeadLettersMethod) == null) {
          SubscriptionServiceGrpc.getListDeadLettersMethod = getListDeadLettersMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.ListDeadLettersRequest, dev.straw.v1.ListDeadLettersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListDeadLetters"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ListDeadLettersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ListDeadLettersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("ListDeadLetters"))
              .build();
        }
      }
    }
    return getListDeadLettersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.RedeliverDeadLettersRequest,
      dev.straw.v1.RedeliverDeadLettersResponse> getRedeliverDeadLettersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RedeliverDeadLetters",
      requestType = dev.straw.v1.RedeliverDeadLettersRequest.class,
      responseType = dev.straw.v1.RedeliverDeadLettersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.RedeliverDeadLettersRequest,
      dev.straw.v1.RedeliverDeadLettersResponse> getRedeliverDeadLettersMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.RedeliverDeadLettersRequest, dev.straw.v1.RedeliverDeadLettersResponse> getRedeliverDeadLettersMethod;
    if ((getRedeliverDeadLettersMethod = SubscriptionServiceGrpc.getRedeliverDeadLettersMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getRedeliverDeadLettersMethod = SubscriptionServiceGrpc.getRedeliverDeadLettersMethod) == null) {
          SubscriptionServiceGrpc.getRedeliverDeadLettersMethod = getRedeliverDeadLettersMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.RedeliverDeadLettersRequest, dev.straw.v1.RedeliverDeadLettersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RedeliverDeadLetters"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.RedeliverDeadLettersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.RedeliverDeadLettersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("RedeliverDeadLetters"))
              .build();
        }
      }
    }
    return getRedeliverDeadLettersMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.PurgeDeadLettersRequest,
      dev.straw.v1.PurgeDeadLettersResponse> getPurgeDeadLettersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PurgeDeadLetters",
      requestType = dev.straw.v1.PurgeDeadLettersRequest.class,
      responseType = dev.straw.v1.PurgeDeadLettersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.PurgeDeadLettersRequest,
      dev.straw.v1.PurgeDeadLettersResponse> getPurgeDeadLettersMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.PurgeDeadLettersRequest, dev.straw.v1.PurgeDeadLettersResponse> getPurgeDeadLettersMethod;
    if ((getPurgeDeadLettersMethod = SubscriptionServiceGrpc.getPurgeDeadLettersMethod) == null) {
      synchronized (SubscriptionServiceGrpc.class) {
        if ((getPurgeDeadLettersMethod = SubscriptionServiceGrpc.getPurgeDeadLettersMethod) == null) {
          SubscriptionServiceGrpc.getPurgeDeadLettersMethod = getPurgeDeadLettersMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.PurgeDeadLettersRequest, dev.straw.v1.PurgeDeadLettersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PurgeDeadLetters"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.PurgeDeadLettersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.PurgeDeadLettersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SubscriptionServiceMethodDescriptorSupplier("PurgeDeadLetters"))
              .build();
        }
      }
    }
    return getPurgeDeadLettersMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static SubscriptionServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceStub>() {
        @java.lang.Override
        public SubscriptionServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SubscriptionServiceStub(channel, callOptions);
        }
      };
    return SubscriptionServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static SubscriptionServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceBlockingV2Stub>() {
        @java.lang.Override
        public SubscriptionServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SubscriptionServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return SubscriptionServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static SubscriptionServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceBlockingStub>() {
        @java.lang.Override
        public SubscriptionServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SubscriptionServiceBlockingStub(channel, callOptions);
        }
      };
    return SubscriptionServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static SubscriptionServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SubscriptionServiceFutureStub>() {
        @java.lang.Override
        public SubscriptionServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SubscriptionServiceFutureStub(channel, callOptions);
        }
      };
    return SubscriptionServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * SubscriptionService manages durable subscriptions: the gateway keeps their position, any number of processes share their
   * events through EventService.Subscribe, and each event is delivered until it is acknowledged or dead-lettered.
   * Every call with an unknown subscription fails with NOT_FOUND (SUBSCRIPTION_NOT_FOUND).
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Creates a subscription. If one with this id and, after defaulting, the same definition exists, returns that one.
     * Errors: ALREADY_EXISTS (SUBSCRIPTION_EXISTS, naming the fields that differ), INVALID_ARGUMENT as for Subscribe.
     * </pre>
     */
    default void createSubscription(dev.straw.v1.CreateSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Subscription> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateSubscriptionMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns a subscription with its current figures.
     * </pre>
     */
    default void getSubscription(dev.straw.v1.GetSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Subscription> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetSubscriptionMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns a page of subscriptions, by id.
     * </pre>
     */
    default void listSubscriptions(dev.straw.v1.ListSubscriptionsRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ListSubscriptionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListSubscriptionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes the fields that the mask names. A changed filter applies from the scan position on; what was sent stays owed.
     * Over HTTP the mask defaults to the fields in the body; over gRPC an empty one is INVALID_ARGUMENT. Errors: ABORTED
     * (ETAG_MISMATCH) when an etag is given and differs.
     * </pre>
     */
    default void updateSubscription(dev.straw.v1.UpdateSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Subscription> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateSubscriptionMethod(), responseObserver);
    }

    /**
     * <pre>
     * Deletes a subscription with its state and dead letters, and ends its streams with NOT_FOUND. A subscription created
     * with the same id later shares nothing with it.
     * </pre>
     */
    default void deleteSubscription(dev.straw.v1.DeleteSubscriptionRequest request,
        io.grpc.stub.StreamObserver<com.google.protobuf.Empty> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteSubscriptionMethod(), responseObserver);
    }

    /**
     * <pre>
     * Settles deliveries, durably before it answers. After ACKED nothing more of the event is sent to this subscription. A
     * result for each id, in their order. Idempotent.
     * </pre>
     */
    default void acknowledge(dev.straw.v1.AcknowledgeRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.AcknowledgeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAcknowledgeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Gives deliveries back: to be sent again after a delay, to be dead-lettered now, or (release) to be sent again at once
     * without counting as a failure. A result for each id, in their order.
     * </pre>
     */
    default void nack(dev.straw.v1.NackRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.NackResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getNackMethod(), responseObserver);
    }

    /**
     * <pre>
     * Grants deliveries one full `ack_deadline` from now. A result for each id, in their order.
     * </pre>
     */
    default void extendDeadline(dev.straw.v1.ExtendDeadlineRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ExtendDeadlineResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExtendDeadlineMethod(), responseObserver);
    }

    /**
     * <pre>
     * Moves the subscription: every match after the position is owed again, acknowledged and dead-lettered ones included, and
     * all before is settled. Failures start from zero. Streams stay open. Errors: as for a start in Subscribe.
     * </pre>
     */
    default void seekSubscription(dev.straw.v1.SeekSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.SeekSubscriptionResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSeekSubscriptionMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns a page of the subscription's dead letters, in log order.
     * </pre>
     */
    default void listDeadLetters(dev.straw.v1.ListDeadLettersRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ListDeadLettersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListDeadLettersMethod(), responseObserver);
    }

    /**
     * <pre>
     * Owes dead-lettered events again: removes their records and starts their failures from zero.
     * </pre>
     */
    default void redeliverDeadLetters(dev.straw.v1.RedeliverDeadLettersRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.RedeliverDeadLettersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRedeliverDeadLettersMethod(), responseObserver);
    }

    /**
     * <pre>
     * Deletes dead letters for good.
     * </pre>
     */
    default void purgeDeadLetters(dev.straw.v1.PurgeDeadLettersRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.PurgeDeadLettersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPurgeDeadLettersMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service SubscriptionService.
   * <pre>
   * SubscriptionService manages durable subscriptions: the gateway keeps their position, any number of processes share their
   * events through EventService.Subscribe, and each event is delivered until it is acknowledged or dead-lettered.
   * Every call with an unknown subscription fails with NOT_FOUND (SUBSCRIPTION_NOT_FOUND).
   * </pre>
   */
  public static abstract class SubscriptionServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return SubscriptionServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service SubscriptionService.
   * <pre>
   * SubscriptionService manages durable subscriptions: the gateway keeps their position, any number of processes share their
   * events through EventService.Subscribe, and each event is delivered until it is acknowledged or dead-lettered.
   * Every call with an unknown subscription fails with NOT_FOUND (SUBSCRIPTION_NOT_FOUND).
   * </pre>
   */
  public static final class SubscriptionServiceStub
      extends io.grpc.stub.AbstractAsyncStub<SubscriptionServiceStub> {
    private SubscriptionServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SubscriptionServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SubscriptionServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a subscription. If one with this id and, after defaulting, the same definition exists, returns that one.
     * Errors: ALREADY_EXISTS (SUBSCRIPTION_EXISTS, naming the fields that differ), INVALID_ARGUMENT as for Subscribe.
     * </pre>
     */
    public void createSubscription(dev.straw.v1.CreateSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Subscription> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateSubscriptionMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns a subscription with its current figures.
     * </pre>
     */
    public void getSubscription(dev.straw.v1.GetSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Subscription> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetSubscriptionMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns a page of subscriptions, by id.
     * </pre>
     */
    public void listSubscriptions(dev.straw.v1.ListSubscriptionsRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ListSubscriptionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListSubscriptionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes the fields that the mask names. A changed filter applies from the scan position on; what was sent stays owed.
     * Over HTTP the mask defaults to the fields in the body; over gRPC an empty one is INVALID_ARGUMENT. Errors: ABORTED
     * (ETAG_MISMATCH) when an etag is given and differs.
     * </pre>
     */
    public void updateSubscription(dev.straw.v1.UpdateSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Subscription> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateSubscriptionMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Deletes a subscription with its state and dead letters, and ends its streams with NOT_FOUND. A subscription created
     * with the same id later shares nothing with it.
     * </pre>
     */
    public void deleteSubscription(dev.straw.v1.DeleteSubscriptionRequest request,
        io.grpc.stub.StreamObserver<com.google.protobuf.Empty> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteSubscriptionMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Settles deliveries, durably before it answers. After ACKED nothing more of the event is sent to this subscription. A
     * result for each id, in their order. Idempotent.
     * </pre>
     */
    public void acknowledge(dev.straw.v1.AcknowledgeRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.AcknowledgeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAcknowledgeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Gives deliveries back: to be sent again after a delay, to be dead-lettered now, or (release) to be sent again at once
     * without counting as a failure. A result for each id, in their order.
     * </pre>
     */
    public void nack(dev.straw.v1.NackRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.NackResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getNackMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Grants deliveries one full `ack_deadline` from now. A result for each id, in their order.
     * </pre>
     */
    public void extendDeadline(dev.straw.v1.ExtendDeadlineRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ExtendDeadlineResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExtendDeadlineMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Moves the subscription: every match after the position is owed again, acknowledged and dead-lettered ones included, and
     * all before is settled. Failures start from zero. Streams stay open. Errors: as for a start in Subscribe.
     * </pre>
     */
    public void seekSubscription(dev.straw.v1.SeekSubscriptionRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.SeekSubscriptionResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSeekSubscriptionMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns a page of the subscription's dead letters, in log order.
     * </pre>
     */
    public void listDeadLetters(dev.straw.v1.ListDeadLettersRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ListDeadLettersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListDeadLettersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Owes dead-lettered events again: removes their records and starts their failures from zero.
     * </pre>
     */
    public void redeliverDeadLetters(dev.straw.v1.RedeliverDeadLettersRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.RedeliverDeadLettersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRedeliverDeadLettersMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Deletes dead letters for good.
     * </pre>
     */
    public void purgeDeadLetters(dev.straw.v1.PurgeDeadLettersRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.PurgeDeadLettersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPurgeDeadLettersMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service SubscriptionService.
   * <pre>
   * SubscriptionService manages durable subscriptions: the gateway keeps their position, any number of processes share their
   * events through EventService.Subscribe, and each event is delivered until it is acknowledged or dead-lettered.
   * Every call with an unknown subscription fails with NOT_FOUND (SUBSCRIPTION_NOT_FOUND).
   * </pre>
   */
  public static final class SubscriptionServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<SubscriptionServiceBlockingV2Stub> {
    private SubscriptionServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SubscriptionServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SubscriptionServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a subscription. If one with this id and, after defaulting, the same definition exists, returns that one.
     * Errors: ALREADY_EXISTS (SUBSCRIPTION_EXISTS, naming the fields that differ), INVALID_ARGUMENT as for Subscribe.
     * </pre>
     */
    public dev.straw.v1.Subscription createSubscription(dev.straw.v1.CreateSubscriptionRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a subscription with its current figures.
     * </pre>
     */
    public dev.straw.v1.Subscription getSubscription(dev.straw.v1.GetSubscriptionRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a page of subscriptions, by id.
     * </pre>
     */
    public dev.straw.v1.ListSubscriptionsResponse listSubscriptions(dev.straw.v1.ListSubscriptionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListSubscriptionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the fields that the mask names. A changed filter applies from the scan position on; what was sent stays owed.
     * Over HTTP the mask defaults to the fields in the body; over gRPC an empty one is INVALID_ARGUMENT. Errors: ABORTED
     * (ETAG_MISMATCH) when an etag is given and differs.
     * </pre>
     */
    public dev.straw.v1.Subscription updateSubscription(dev.straw.v1.UpdateSubscriptionRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes a subscription with its state and dead letters, and ends its streams with NOT_FOUND. A subscription created
     * with the same id later shares nothing with it.
     * </pre>
     */
    public com.google.protobuf.Empty deleteSubscription(dev.straw.v1.DeleteSubscriptionRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Settles deliveries, durably before it answers. After ACKED nothing more of the event is sent to this subscription. A
     * result for each id, in their order. Idempotent.
     * </pre>
     */
    public dev.straw.v1.AcknowledgeResponse acknowledge(dev.straw.v1.AcknowledgeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAcknowledgeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives deliveries back: to be sent again after a delay, to be dead-lettered now, or (release) to be sent again at once
     * without counting as a failure. A result for each id, in their order.
     * </pre>
     */
    public dev.straw.v1.NackResponse nack(dev.straw.v1.NackRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getNackMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Grants deliveries one full `ack_deadline` from now. A result for each id, in their order.
     * </pre>
     */
    public dev.straw.v1.ExtendDeadlineResponse extendDeadline(dev.straw.v1.ExtendDeadlineRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExtendDeadlineMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Moves the subscription: every match after the position is owed again, acknowledged and dead-lettered ones included, and
     * all before is settled. Failures start from zero. Streams stay open. Errors: as for a start in Subscribe.
     * </pre>
     */
    public dev.straw.v1.SeekSubscriptionResponse seekSubscription(dev.straw.v1.SeekSubscriptionRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSeekSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a page of the subscription's dead letters, in log order.
     * </pre>
     */
    public dev.straw.v1.ListDeadLettersResponse listDeadLetters(dev.straw.v1.ListDeadLettersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Owes dead-lettered events again: removes their records and starts their failures from zero.
     * </pre>
     */
    public dev.straw.v1.RedeliverDeadLettersResponse redeliverDeadLetters(dev.straw.v1.RedeliverDeadLettersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRedeliverDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes dead letters for good.
     * </pre>
     */
    public dev.straw.v1.PurgeDeadLettersResponse purgeDeadLetters(dev.straw.v1.PurgeDeadLettersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPurgeDeadLettersMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service SubscriptionService.
   * <pre>
   * SubscriptionService manages durable subscriptions: the gateway keeps their position, any number of processes share their
   * events through EventService.Subscribe, and each event is delivered until it is acknowledged or dead-lettered.
   * Every call with an unknown subscription fails with NOT_FOUND (SUBSCRIPTION_NOT_FOUND).
   * </pre>
   */
  public static final class SubscriptionServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<SubscriptionServiceBlockingStub> {
    private SubscriptionServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SubscriptionServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SubscriptionServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a subscription. If one with this id and, after defaulting, the same definition exists, returns that one.
     * Errors: ALREADY_EXISTS (SUBSCRIPTION_EXISTS, naming the fields that differ), INVALID_ARGUMENT as for Subscribe.
     * </pre>
     */
    public dev.straw.v1.Subscription createSubscription(dev.straw.v1.CreateSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a subscription with its current figures.
     * </pre>
     */
    public dev.straw.v1.Subscription getSubscription(dev.straw.v1.GetSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a page of subscriptions, by id.
     * </pre>
     */
    public dev.straw.v1.ListSubscriptionsResponse listSubscriptions(dev.straw.v1.ListSubscriptionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListSubscriptionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes the fields that the mask names. A changed filter applies from the scan position on; what was sent stays owed.
     * Over HTTP the mask defaults to the fields in the body; over gRPC an empty one is INVALID_ARGUMENT. Errors: ABORTED
     * (ETAG_MISMATCH) when an etag is given and differs.
     * </pre>
     */
    public dev.straw.v1.Subscription updateSubscription(dev.straw.v1.UpdateSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes a subscription with its state and dead letters, and ends its streams with NOT_FOUND. A subscription created
     * with the same id later shares nothing with it.
     * </pre>
     */
    public com.google.protobuf.Empty deleteSubscription(dev.straw.v1.DeleteSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Settles deliveries, durably before it answers. After ACKED nothing more of the event is sent to this subscription. A
     * result for each id, in their order. Idempotent.
     * </pre>
     */
    public dev.straw.v1.AcknowledgeResponse acknowledge(dev.straw.v1.AcknowledgeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAcknowledgeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives deliveries back: to be sent again after a delay, to be dead-lettered now, or (release) to be sent again at once
     * without counting as a failure. A result for each id, in their order.
     * </pre>
     */
    public dev.straw.v1.NackResponse nack(dev.straw.v1.NackRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getNackMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Grants deliveries one full `ack_deadline` from now. A result for each id, in their order.
     * </pre>
     */
    public dev.straw.v1.ExtendDeadlineResponse extendDeadline(dev.straw.v1.ExtendDeadlineRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExtendDeadlineMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Moves the subscription: every match after the position is owed again, acknowledged and dead-lettered ones included, and
     * all before is settled. Failures start from zero. Streams stay open. Errors: as for a start in Subscribe.
     * </pre>
     */
    public dev.straw.v1.SeekSubscriptionResponse seekSubscription(dev.straw.v1.SeekSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSeekSubscriptionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a page of the subscription's dead letters, in log order.
     * </pre>
     */
    public dev.straw.v1.ListDeadLettersResponse listDeadLetters(dev.straw.v1.ListDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Owes dead-lettered events again: removes their records and starts their failures from zero.
     * </pre>
     */
    public dev.straw.v1.RedeliverDeadLettersResponse redeliverDeadLetters(dev.straw.v1.RedeliverDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRedeliverDeadLettersMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes dead letters for good.
     * </pre>
     */
    public dev.straw.v1.PurgeDeadLettersResponse purgeDeadLetters(dev.straw.v1.PurgeDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPurgeDeadLettersMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service SubscriptionService.
   * <pre>
   * SubscriptionService manages durable subscriptions: the gateway keeps their position, any number of processes share their
   * events through EventService.Subscribe, and each event is delivered until it is acknowledged or dead-lettered.
   * Every call with an unknown subscription fails with NOT_FOUND (SUBSCRIPTION_NOT_FOUND).
   * </pre>
   */
  public static final class SubscriptionServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<SubscriptionServiceFutureStub> {
    private SubscriptionServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SubscriptionServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SubscriptionServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates a subscription. If one with this id and, after defaulting, the same definition exists, returns that one.
     * Errors: ALREADY_EXISTS (SUBSCRIPTION_EXISTS, naming the fields that differ), INVALID_ARGUMENT as for Subscribe.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.Subscription> createSubscription(
        dev.straw.v1.CreateSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateSubscriptionMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns a subscription with its current figures.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.Subscription> getSubscription(
        dev.straw.v1.GetSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetSubscriptionMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns a page of subscriptions, by id.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.ListSubscriptionsResponse> listSubscriptions(
        dev.straw.v1.ListSubscriptionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListSubscriptionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes the fields that the mask names. A changed filter applies from the scan position on; what was sent stays owed.
     * Over HTTP the mask defaults to the fields in the body; over gRPC an empty one is INVALID_ARGUMENT. Errors: ABORTED
     * (ETAG_MISMATCH) when an etag is given and differs.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.Subscription> updateSubscription(
        dev.straw.v1.UpdateSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateSubscriptionMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Deletes a subscription with its state and dead letters, and ends its streams with NOT_FOUND. A subscription created
     * with the same id later shares nothing with it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<com.google.protobuf.Empty> deleteSubscription(
        dev.straw.v1.DeleteSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteSubscriptionMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Settles deliveries, durably before it answers. After ACKED nothing more of the event is sent to this subscription. A
     * result for each id, in their order. Idempotent.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.AcknowledgeResponse> acknowledge(
        dev.straw.v1.AcknowledgeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAcknowledgeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Gives deliveries back: to be sent again after a delay, to be dead-lettered now, or (release) to be sent again at once
     * without counting as a failure. A result for each id, in their order.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.NackResponse> nack(
        dev.straw.v1.NackRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getNackMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Grants deliveries one full `ack_deadline` from now. A result for each id, in their order.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.ExtendDeadlineResponse> extendDeadline(
        dev.straw.v1.ExtendDeadlineRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExtendDeadlineMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Moves the subscription: every match after the position is owed again, acknowledged and dead-lettered ones included, and
     * all before is settled. Failures start from zero. Streams stay open. Errors: as for a start in Subscribe.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.SeekSubscriptionResponse> seekSubscription(
        dev.straw.v1.SeekSubscriptionRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSeekSubscriptionMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns a page of the subscription's dead letters, in log order.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.ListDeadLettersResponse> listDeadLetters(
        dev.straw.v1.ListDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListDeadLettersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Owes dead-lettered events again: removes their records and starts their failures from zero.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.RedeliverDeadLettersResponse> redeliverDeadLetters(
        dev.straw.v1.RedeliverDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRedeliverDeadLettersMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Deletes dead letters for good.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.PurgeDeadLettersResponse> purgeDeadLetters(
        dev.straw.v1.PurgeDeadLettersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPurgeDeadLettersMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CREATE_SUBSCRIPTION = 0;
  private static final int METHODID_GET_SUBSCRIPTION = 1;
  private static final int METHODID_LIST_SUBSCRIPTIONS = 2;
  private static final int METHODID_UPDATE_SUBSCRIPTION = 3;
  private static final int METHODID_DELETE_SUBSCRIPTION = 4;
  private static final int METHODID_ACKNOWLEDGE = 5;
  private static final int METHODID_NACK = 6;
  private static final int METHODID_EXTEND_DEADLINE = 7;
  private static final int METHODID_SEEK_SUBSCRIPTION = 8;
  private static final int METHODID_LIST_DEAD_LETTERS = 9;
  private static final int METHODID_REDELIVER_DEAD_LETTERS = 10;
  private static final int METHODID_PURGE_DEAD_LETTERS = 11;

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
        case METHODID_CREATE_SUBSCRIPTION:
          serviceImpl.createSubscription((dev.straw.v1.CreateSubscriptionRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.Subscription>) responseObserver);
          break;
        case METHODID_GET_SUBSCRIPTION:
          serviceImpl.getSubscription((dev.straw.v1.GetSubscriptionRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.Subscription>) responseObserver);
          break;
        case METHODID_LIST_SUBSCRIPTIONS:
          serviceImpl.listSubscriptions((dev.straw.v1.ListSubscriptionsRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.ListSubscriptionsResponse>) responseObserver);
          break;
        case METHODID_UPDATE_SUBSCRIPTION:
          serviceImpl.updateSubscription((dev.straw.v1.UpdateSubscriptionRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.Subscription>) responseObserver);
          break;
        case METHODID_DELETE_SUBSCRIPTION:
          serviceImpl.deleteSubscription((dev.straw.v1.DeleteSubscriptionRequest) request,
              (io.grpc.stub.StreamObserver<com.google.protobuf.Empty>) responseObserver);
          break;
        case METHODID_ACKNOWLEDGE:
          serviceImpl.acknowledge((dev.straw.v1.AcknowledgeRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.AcknowledgeResponse>) responseObserver);
          break;
        case METHODID_NACK:
          serviceImpl.nack((dev.straw.v1.NackRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.NackResponse>) responseObserver);
          break;
        case METHODID_EXTEND_DEADLINE:
          serviceImpl.extendDeadline((dev.straw.v1.ExtendDeadlineRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.ExtendDeadlineResponse>) responseObserver);
          break;
        case METHODID_SEEK_SUBSCRIPTION:
          serviceImpl.seekSubscription((dev.straw.v1.SeekSubscriptionRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.SeekSubscriptionResponse>) responseObserver);
          break;
        case METHODID_LIST_DEAD_LETTERS:
          serviceImpl.listDeadLetters((dev.straw.v1.ListDeadLettersRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.ListDeadLettersResponse>) responseObserver);
          break;
        case METHODID_REDELIVER_DEAD_LETTERS:
          serviceImpl.redeliverDeadLetters((dev.straw.v1.RedeliverDeadLettersRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.RedeliverDeadLettersResponse>) responseObserver);
          break;
        case METHODID_PURGE_DEAD_LETTERS:
          serviceImpl.purgeDeadLetters((dev.straw.v1.PurgeDeadLettersRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.PurgeDeadLettersResponse>) responseObserver);
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
          getCreateSubscriptionMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.CreateSubscriptionRequest,
              dev.straw.v1.Subscription>(
                service, METHODID_CREATE_SUBSCRIPTION)))
        .addMethod(
          getGetSubscriptionMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.GetSubscriptionRequest,
              dev.straw.v1.Subscription>(
                service, METHODID_GET_SUBSCRIPTION)))
        .addMethod(
          getListSubscriptionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.ListSubscriptionsRequest,
              dev.straw.v1.ListSubscriptionsResponse>(
                service, METHODID_LIST_SUBSCRIPTIONS)))
        .addMethod(
          getUpdateSubscriptionMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.UpdateSubscriptionRequest,
              dev.straw.v1.Subscription>(
                service, METHODID_UPDATE_SUBSCRIPTION)))
        .addMethod(
          getDeleteSubscriptionMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.DeleteSubscriptionRequest,
              com.google.protobuf.Empty>(
                service, METHODID_DELETE_SUBSCRIPTION)))
        .addMethod(
          getAcknowledgeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.AcknowledgeRequest,
              dev.straw.v1.AcknowledgeResponse>(
                service, METHODID_ACKNOWLEDGE)))
        .addMethod(
          getNackMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.NackRequest,
              dev.straw.v1.NackResponse>(
                service, METHODID_NACK)))
        .addMethod(
          getExtendDeadlineMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.ExtendDeadlineRequest,
              dev.straw.v1.ExtendDeadlineResponse>(
                service, METHODID_EXTEND_DEADLINE)))
        .addMethod(
          getSeekSubscriptionMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.SeekSubscriptionRequest,
              dev.straw.v1.SeekSubscriptionResponse>(
                service, METHODID_SEEK_SUBSCRIPTION)))
        .addMethod(
          getListDeadLettersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.ListDeadLettersRequest,
              dev.straw.v1.ListDeadLettersResponse>(
                service, METHODID_LIST_DEAD_LETTERS)))
        .addMethod(
          getRedeliverDeadLettersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.RedeliverDeadLettersRequest,
              dev.straw.v1.RedeliverDeadLettersResponse>(
                service, METHODID_REDELIVER_DEAD_LETTERS)))
        .addMethod(
          getPurgeDeadLettersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.PurgeDeadLettersRequest,
              dev.straw.v1.PurgeDeadLettersResponse>(
                service, METHODID_PURGE_DEAD_LETTERS)))
        .build();
  }

  private static abstract class SubscriptionServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    SubscriptionServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.straw.v1.SubscriptionServiceOuterClass.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("SubscriptionService");
    }
  }

  private static final class SubscriptionServiceFileDescriptorSupplier
      extends SubscriptionServiceBaseDescriptorSupplier {
    SubscriptionServiceFileDescriptorSupplier() {}
  }

  private static final class SubscriptionServiceMethodDescriptorSupplier
      extends SubscriptionServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    SubscriptionServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (SubscriptionServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new SubscriptionServiceFileDescriptorSupplier())
              .addMethod(getCreateSubscriptionMethod())
              .addMethod(getGetSubscriptionMethod())
              .addMethod(getListSubscriptionsMethod())
              .addMethod(getUpdateSubscriptionMethod())
              .addMethod(getDeleteSubscriptionMethod())
              .addMethod(getAcknowledgeMethod())
              .addMethod(getNackMethod())
              .addMethod(getExtendDeadlineMethod())
              .addMethod(getSeekSubscriptionMethod())
              .addMethod(getListDeadLettersMethod())
              .addMethod(getRedeliverDeadLettersMethod())
              .addMethod(getPurgeDeadLettersMethod())
              .build();
        }
      }
    }
    return result;
  }
}
