package dev.straw.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import dev.straw.v1.ErrorReason;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Map;

/**
 * A call that failed. Everything of this package throws it, apart from what the program's own code
 * throws. The generated stubs throw {@link StatusRuntimeException}: {@link #from} makes one of the
 * other.
 */
public final class StrawException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  /** Marks a gateway's own errors. */
  private static final String DOMAIN = "straw.v1";

  private final Status.Code code;
  private final String reasonName;

  @SuppressWarnings("serial") // an immutable map, which is serializable
  private final Map<String, String> metadata;

  private final boolean gateways;

  StrawException(Status.Code code, String sentence) {
    this(code, sentence, null, null);
  }

  StrawException(Status.Code code, String sentence, Throwable cause) {
    this(code, sentence, null, cause);
  }

  private StrawException(Status.Code code, String sentence, ErrorInfo info, Throwable cause) {
    super(describe(code, sentence, info), cause);
    this.code = code;
    this.gateways = info != null;
    this.reasonName = gateways ? info.getReason() : "";
    this.metadata = gateways ? Map.copyOf(info.getMetadataMap()) : Map.of();
  }

  /**
   * Makes an exception of what a call has failed with, such as a generated stub's {@link
   * StatusRuntimeException}.
   *
   * @param failure what was thrown, or given to an observer
   * @return the failure itself if it is a {@code StrawException}; with code {@code UNKNOWN} if it
   *     is no failure of a call
   */
  public static StrawException from(Throwable failure) {
    if (failure instanceof StrawException e) {
      return e;
    }
    if (failure instanceof StatusRuntimeException e) {
      return of(e.getStatus(), e.getTrailers(), e);
    }
    if (failure instanceof StatusException e) {
      return of(e.getStatus(), e.getTrailers(), e);
    }
    return new StrawException(Status.Code.UNKNOWN, String.valueOf(failure.getMessage()), failure);
  }

  static StrawException of(Status status, Metadata trailers, Throwable cause) {
    String sentence =
        status.getDescription() == null ? "no more is known" : status.getDescription();
    return new StrawException(
        status.getCode(),
        sentence,
        info(status, trailers),
        cause == null ? status.getCause() : cause);
  }

  private static ErrorInfo info(Status status, Metadata trailers) {
    if (trailers == null) {
      return null;
    }
    for (Any detail : StatusProto.fromStatusAndTrailers(status, trailers).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        try {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          if (info.getDomain().equals(DOMAIN)) {
            return info;
          }
        } catch (InvalidProtocolBufferException e) {
          // Whatever sent this was no gateway.
          return null;
        }
      }
    }
    return null;
  }

  private static String describe(Status.Code code, String sentence, ErrorInfo info) {
    return info == null
        ? sentence + " (" + code + ")"
        : sentence + " (" + code + ", " + info.getReason() + ")";
  }

  /**
   * The gRPC status code.
   *
   * @return never {@code OK}
   */
  public Status.Code code() {
    return code;
  }

  /**
   * Why the gateway refused the call.
   *
   * @return {@code ERROR_REASON_UNSPECIFIED} if the error isn't the gateway's own, {@code
   *     UNRECOGNIZED} if the gateway is newer than this client
   */
  public ErrorReason reason() {
    if (!gateways) {
      return ErrorReason.ERROR_REASON_UNSPECIFIED;
    }
    try {
      return ErrorReason.valueOf(reasonName);
    } catch (IllegalArgumentException e) {
      return ErrorReason.UNRECOGNIZED;
    }
  }

  /**
   * The reason's name as the gateway sent it, also if this client doesn't know it.
   *
   * @return empty if the error isn't the gateway's own
   */
  public String reasonName() {
    return reasonName;
  }

  /**
   * What the reason is about, such as {@code oldest} for {@code CURSOR_EXPIRED}; each reason's
   * documentation names them.
   *
   * @return immutable, and empty if there are none
   */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * Tells whether calling again can help. A gateway's own errors say so by their code; the
   * transport's and a proxy's are about the connection, unless they are about the caller or the
   * call.
   */
  boolean retryable() {
    return switch (code) {
      case UNAVAILABLE -> true;
      case INTERNAL, UNKNOWN, CANCELLED, DEADLINE_EXCEEDED, ABORTED -> !gateways;
      default -> false;
    };
  }
}
