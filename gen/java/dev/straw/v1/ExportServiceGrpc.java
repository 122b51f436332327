package dev.straw.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * ExportService serves the files that Juicebox announces with `export.ready`. The gateway fetches each on arrival, for the
 * link dies within the hour, and keeps it.
 * Every call with an unknown export fails with NOT_FOUND (EXPORT_NOT_FOUND).
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class ExportServiceGrpc {

  private ExportServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "straw.v1.ExportService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.GetExportRequest,
      dev.straw.v1.Export> getGetExportMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetExport",
      requestType = dev.straw.v1.GetExportRequest.class,
      responseType = dev.straw.v1.Export.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.GetExportRequest,
      dev.straw.v1.Export> getGetExportMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.GetExportRequest, dev.straw.v1.Export> getGetExportMethod;
    if ((getGetExportMethod = ExportServiceGrpc.getGetExportMethod) == null) {
      synchronized (ExportServiceGrpc.class) {
        if ((getGetExportMethod = ExportServiceGrpc.getGetExportMethod) == null) {
          ExportServiceGrpc.getGetExportMethod = getGetExportMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.GetExportRequest, dev.straw.v1.Export>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetExport"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.GetExportRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.Export.getDefaultInstance()))
              .setSchemaDescriptor(new ExportServiceMethodDescriptorSupplier("GetExport"))
              .build();
        }
      }
    }
    return getGetExportMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.ListExportsRequest,
      dev.straw.v1.ListExportsResponse> getListExportsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListExports",
      requestType = dev.straw.v1.ListExportsRequest.class,
      responseType = dev.straw.v1.ListExportsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.ListExportsRequest,
      dev.straw.v1.ListExportsResponse> getListExportsMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.ListExportsRequest, dev.straw.v1.ListExportsResponse> getListExportsMethod;
    if ((getListExportsMethod = ExportServiceGrpc.getListExportsMethod) == null) {
      synchronized (ExportServiceGrpc.class) {
        if ((getListExportsMethod = ExportServiceGrpc.getListExportsMethod) == null) {
          ExportServiceGrpc.getListExportsMethod = getListExportsMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.ListExportsRequest, dev.straw.v1.ListExportsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListExports"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ListExportsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.ListExportsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ExportServiceMethodDescriptorSupplier("ListExports"))
              .build();
        }
      }
    }
    return getListExportsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.RefetchExportRequest,
      dev.straw.v1.Export> getRefetchExportMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RefetchExport",
      requestType = dev.straw.v1.RefetchExportRequest.class,
      responseType = dev.straw.v1.Export.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<dev.straw.v1.RefetchExportRequest,
      dev.straw.v1.Export> getRefetchExportMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.RefetchExportRequest, dev.straw.v1.Export> getRefetchExportMethod;
    if ((getRefetchExportMethod = ExportServiceGrpc.getRefetchExportMethod) == null) {
      synchronized (ExportServiceGrpc.class) {
        if ((getRefetchExportMethod = ExportServiceGrpc.getRefetchExportMethod) == null) {
          ExportServiceGrpc.getRefetchExportMethod = getRefetchExportMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.RefetchExportRequest, dev.straw.v1.Export>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RefetchExport"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.RefetchExportRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.Export.getDefaultInstance()))
              .setSchemaDescriptor(new ExportServiceMethodDescriptorSupplier("RefetchExport"))
              .build();
        }
      }
    }
    return getRefetchExportMethod;
  }

  private static volatile io.grpc.MethodDescriptor<dev.straw.v1.DownloadExportRequest,
      dev.straw.v1.DownloadExportResponse> getDownloadExportMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DownloadExport",
      requestType = dev.straw.v1.DownloadExportRequest.class,
      responseType = dev.straw.v1.DownloadExportResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<dev.straw.v1.DownloadExportRequest,
      dev.straw.v1.DownloadExportResponse> getDownloadExportMethod() {
    io.grpc.MethodDescriptor<dev.straw.v1.DownloadExportRequest, dev.straw.v1.DownloadExportResponse> getDownloadExportMethod;
    if ((getDownloadExportMethod = ExportServiceGrpc.getDownloadExportMethod) == null) {
      synchronized (ExportServiceGrpc.class) {
        if ((getDownloadExportMethod = ExportServiceGrpc.getDownloadExportMethod) == null) {
          ExportServiceGrpc.getDownloadExportMethod = getDownloadExportMethod =
              io.grpc.MethodDescriptor.<dev.straw.v1.DownloadExportRequest, dev.straw.v1.DownloadExportResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DownloadExport"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.DownloadExportRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  dev.straw.v1.DownloadExportResponse.getDefaultInstance()))
              .setSchemaDescriptor(new ExportServiceMethodDescriptorSupplier("DownloadExport"))
              .build();
        }
      }
    }
    return getDownloadExportMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static ExportServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ExportServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ExportServiceStub>() {
        @java.lang.Override
        public ExportServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ExportServiceStub(channel, callOptions);
        }
      };
    return ExportServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static ExportServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ExportServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ExportServiceBlockingV2Stub>() {
        @java.lang.Override
        public ExportServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ExportServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return ExportServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static ExportServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ExportServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ExportServiceBlockingStub>() {
        @java.lang.Override
        public ExportServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ExportServiceBlockingStub(channel, callOptions);
        }
      };
    return ExportServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static ExportServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<ExportServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<ExportServiceFutureStub>() {
        @java.lang.Override
        public ExportServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new ExportServiceFutureStub(channel, callOptions);
        }
      };
    return ExportServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * ExportService serves the files that Juicebox announces with `export.ready`. The gateway fetches each on arrival, for the
   * link dies within the hour, and keeps it.
   * Every call with an unknown export fails with NOT_FOUND (EXPORT_NOT_FOUND).
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Returns the newest generation of an export.
     * </pre>
     */
    default void getExport(dev.straw.v1.GetExportRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Export> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetExportMethod(), responseObserver);
    }

    /**
     * <pre>
     * Returns a page of exports, newest first.
     * </pre>
     */
    default void listExports(dev.straw.v1.ListExportsRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ListExportsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListExportsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Fetches an export again as a new generation, while its link lives. Errors: FAILED_PRECONDITION (EXPORT_LINK_EXPIRED).
     * </pre>
     */
    default void refetchExport(dev.straw.v1.RefetchExportRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Export> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRefetchExportMethod(), responseObserver);
    }

    /**
     * <pre>
     * Streams the file's bytes in order from an offset; a broken download resumes at the offset that it reached. Errors:
     * FAILED_PRECONDITION (EXPORT_NOT_AVAILABLE, with the state), OUT_OF_RANGE (INVALID_FIELD) for an offset past the end,
     * DATA_LOSS (STORE_CORRUPT) when the stored bytes don't match their checksum.
     * Over HTTP: `GET /v1/exports/{id}:download`, raw bytes with Range, ETag and Content-Disposition.
     * </pre>
     */
    default void downloadExport(dev.straw.v1.DownloadExportRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.DownloadExportResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDownloadExportMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service ExportService.
   * <pre>
   * ExportService serves the files that Juicebox announces with `export.ready`. The gateway fetches each on arrival, for the
   * link dies within the hour, and keeps it.
   * Every call with an unknown export fails with NOT_FOUND (EXPORT_NOT_FOUND).
   * </pre>
   */
  public static abstract class ExportServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return ExportServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service ExportService.
   * <pre>
   * ExportService serves the files that Juicebox announces with `export.ready`. The gateway fetches each on arrival, for the
   * link dies within the hour, and keeps it.
   * Every call with an unknown export fails with NOT_FOUND (EXPORT_NOT_FOUND).
   * </pre>
   */
  public static final class ExportServiceStub
      extends io.grpc.stub.AbstractAsyncStub<ExportServiceStub> {
    private ExportServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ExportServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ExportServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the newest generation of an export.
     * </pre>
     */
    public void getExport(dev.straw.v1.GetExportRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Export> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetExportMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Returns a page of exports, newest first.
     * </pre>
     */
    public void listExports(dev.straw.v1.ListExportsRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.ListExportsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListExportsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Fetches an export again as a new generation, while its link lives. Errors: FAILED_PRECONDITION (EXPORT_LINK_EXPIRED).
     * </pre>
     */
    public void refetchExport(dev.straw.v1.RefetchExportRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.Export> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRefetchExportMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Streams the file's bytes in order from an offset; a broken download resumes at the offset that it reached. Errors:
     * FAILED_PRECONDITION (EXPORT_NOT_AVAILABLE, with the state), OUT_OF_RANGE (INVALID_FIELD) for an offset past the end,
     * DATA_LOSS (STORE_CORRUPT) when the stored bytes don't match their checksum.
     * Over HTTP: `GET /v1/exports/{id}:download`, raw bytes with Range, ETag and Content-Disposition.
     * </pre>
     */
    public void downloadExport(dev.straw.v1.DownloadExportRequest request,
        io.grpc.stub.StreamObserver<dev.straw.v1.DownloadExportResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getDownloadExportMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service ExportService.
   * <pre>
   * ExportService serves the files that Juicebox announces with `export.ready`. The gateway fetches each on arrival, for the
   * link dies within the hour, and keeps it.
   * Every call with an unknown export fails with NOT_FOUND (EXPORT_NOT_FOUND).
   * </pre>
   */
  public static final class ExportServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<ExportServiceBlockingV2Stub> {
    private ExportServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ExportServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ExportServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the newest generation of an export.
     * </pre>
     */
    public dev.straw.v1.Export getExport(dev.straw.v1.GetExportRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetExportMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a page of exports, newest first.
     * </pre>
     */
    public dev.straw.v1.ListExportsResponse listExports(dev.straw.v1.ListExportsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListExportsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Fetches an export again as a new generation, while its link lives. Errors: FAILED_PRECONDITION (EXPORT_LINK_EXPIRED).
     * </pre>
     */
    public dev.straw.v1.Export refetchExport(dev.straw.v1.RefetchExportRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRefetchExportMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Streams the file's bytes in order from an offset; a broken download resumes at the offset that it reached. Errors:
     * FAILED_PRECONDITION (EXPORT_NOT_AVAILABLE, with the state), OUT_OF_RANGE (INVALID_FIELD) for an offset past the end,
     * DATA_LOSS (STORE_CORRUPT) when the stored bytes don't match their checksum.
     * Over HTTP: `GET /v1/exports/{id}:download`, raw bytes with Range, ETag and Content-Disposition.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, dev.straw.v1.DownloadExportResponse>
        downloadExport(dev.straw.v1.DownloadExportRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getDownloadExportMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service ExportService.
   * <pre>
   * ExportService serves the files that Juicebox announces with `export.ready`. The gateway fetches each on arrival, for the
   * link dies within the hour, and keeps it.
   * Every call with an unknown export fails with NOT_FOUND (EXPORT_NOT_FOUND).
   * </pre>
   */
  public static final class ExportServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<ExportServiceBlockingStub> {
    private ExportServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ExportServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ExportServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the newest generation of an export.
     * </pre>
     */
    public dev.straw.v1.Export getExport(dev.straw.v1.GetExportRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetExportMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Returns a page of exports, newest first.
     * </pre>
     */
    public dev.straw.v1.ListExportsResponse listExports(dev.straw.v1.ListExportsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListExportsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Fetches an export again as a new generation, while its link lives. Errors: FAILED_PRECONDITION (EXPORT_LINK_EXPIRED).
     * </pre>
     */
    public dev.straw.v1.Export refetchExport(dev.straw.v1.RefetchExportRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRefetchExportMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Streams the file's bytes in order from an offset; a broken download resumes at the offset that it reached. Errors:
     * FAILED_PRECONDITION (EXPORT_NOT_AVAILABLE, with the state), OUT_OF_RANGE (INVALID_FIELD) for an offset past the end,
     * DATA_LOSS (STORE_CORRUPT) when the stored bytes don't match their checksum.
     * Over HTTP: `GET /v1/exports/{id}:download`, raw bytes with Range, ETag and Content-Disposition.
     * </pre>
     */
    public java.util.Iterator<dev.straw.v1.DownloadExportResponse> downloadExport(
        dev.straw.v1.DownloadExportRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getDownloadExportMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service ExportService.
   * <pre>
   * ExportService serves the files that Juicebox announces with `export.ready`. The gateway fetches each on arrival, for the
   * link dies within the hour, and keeps it.
   * Every call with an unknown export fails with NOT_FOUND (EXPORT_NOT_FOUND).
   * </pre>
   */
  public static final class ExportServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<ExportServiceFutureStub> {
    private ExportServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected ExportServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new ExportServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Returns the newest generation of an export.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.Export> getExport(
        dev.straw.v1.GetExportRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetExportMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Returns a page of exports, newest first.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.ListExportsResponse> listExports(
        dev.straw.v1.ListExportsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListExportsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Fetches an export again as a new generation, while its link lives. Errors: FAILED_PRECONDITION (EXPORT_LINK_EXPIRED).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<dev.straw.v1.Export> refetchExport(
        dev.straw.v1.RefetchExportRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRefetchExportMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_EXPORT = 0;
  private static final int METHODID_LIST_EXPORTS = 1;
  private static final int METHODID_REFETCH_EXPORT = 2;
  private static final int METHODID_DOWNLOAD_EXPORT = 3;

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
        case METHODID_GET_EXPORT:
          serviceImpl.getExport((dev.straw.v1.GetExportRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.Export>) responseObserver);
          break;
        case METHODID_LIST_EXPORTS:
          serviceImpl.listExports((dev.straw.v1.ListExportsRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.ListExportsResponse>) responseObserver);
          break;
        case METHODID_REFETCH_EXPORT:
          serviceImpl.refetchExport((dev.straw.v1.RefetchExportRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.Export>) responseObserver);
          break;
        case METHODID_DOWNLOAD_EXPORT:
          serviceImpl.downloadExport((dev.straw.v1.DownloadExportRequest) request,
              (io.grpc.stub.StreamObserver<dev.straw.v1.DownloadExportResponse>) responseObserver);
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
          getGetExportMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.GetExportRequest,
              dev.straw.v1.Export>(
                service, METHODID_GET_EXPORT)))
        .addMethod(
          getListExportsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.ListExportsRequest,
              dev.straw.v1.ListExportsResponse>(
                service, METHODID_LIST_EXPORTS)))
        .addMethod(
          getRefetchExportMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              dev.straw.v1.RefetchExportRequest,
              dev.straw.v1.Export>(
                service, METHODID_REFETCH_EXPORT)))
        .addMethod(
          getDownloadExportMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              dev.straw.v1.DownloadExportRequest,
              dev.straw.v1.DownloadExportResponse>(
                service, METHODID_DOWNLOAD_EXPORT)))
        .build();
  }

  private static abstract class ExportServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    ExportServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return dev.straw.v1.ExportServiceOuterClass.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("ExportService");
    }
  }

  private static final class ExportServiceFileDescriptorSupplier
      extends ExportServiceBaseDescriptorSupplier {
    ExportServiceFileDescriptorSupplier() {}
  }

  private static final class ExportServiceMethodDescriptorSupplier
      extends ExportServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    ExportServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (ExportServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new ExportServiceFileDescriptorSupplier())
              .addMethod(getGetExportMethod())
              .addMethod(getListExportsMethod())
              .addMethod(getRefetchExportMethod())
              .addMethod(getDownloadExportMethod())
              .build();
        }
      }
    }
    return result;
  }
}
