import { Code, ConnectError } from "@connectrpc/connect";
import { findErrorInfo } from "./error-info.js";
import type { ErrorReason } from "./gen/straw/v1/error_reason_pb.js";

/** A gRPC status code, as the specification of gRPC writes it. */
export type StatusCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/**
 * Why a call failed: a name of `ErrorReason`, documented in straw/v1/error_reason.proto, or that of a newer gateway. Empty if
 * the error isn't the gateway's own but the transport's or a proxy's.
 */
export type Reason =
  Exclude<keyof typeof ErrorReason, "ERROR_REASON_UNSPECIFIED"> | "" | (string & Record<never, never>);

/**
 * A failed call. Every error of this package's calls is one, those of the raw service clients included; apart from the
 * reason of an aborted signal, and what a cursor store or a callback of the program has thrown.
 */
export class StrawError extends Error {
  override readonly name = "StrawError";

  /**
   * @param code - the gRPC status code
   * @param message - a sentence for people
   * @param reason - why; empty if the error isn't the gateway's own
   * @param metadata - what the reason is about, such as `oldest` for `CURSOR_EXPIRED`
   * @param options - the error that caused this one
   */
  constructor(
    readonly code: StatusCode,
    message: string,
    readonly reason: Reason = "",
    readonly metadata: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Says whether the same call may succeed when it is made again: the gateway or the way to it was not available. */
  get retryable(): boolean {
    if (this.code === "UNAVAILABLE") {
      return true;
    }
    return this.reason === "" && transportCodes.has(this.code);
  }

  /** The sentence, the code and the reason, for logs. */
  override toString(): string {
    return `${this.name}: ${this.message} (${this.code}${this.reason && `, ${this.reason}`})`;
  }
}

// What the transport or a proxy says when a connection breaks. A gateway that says so means it.
const transportCodes: ReadonlySet<StatusCode> = new Set<StatusCode>([
  "INTERNAL",
  "UNKNOWN",
  "CANCELLED",
  "DEADLINE_EXCEEDED",
  "ABORTED",
]);

const statusCodes: Record<Code, StatusCode> = {
  [Code.Canceled]: "CANCELLED",
  [Code.Unknown]: "UNKNOWN",
  [Code.InvalidArgument]: "INVALID_ARGUMENT",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.NotFound]: "NOT_FOUND",
  [Code.AlreadyExists]: "ALREADY_EXISTS",
  [Code.PermissionDenied]: "PERMISSION_DENIED",
  [Code.ResourceExhausted]: "RESOURCE_EXHAUSTED",
  [Code.FailedPrecondition]: "FAILED_PRECONDITION",
  [Code.Aborted]: "ABORTED",
  [Code.OutOfRange]: "OUT_OF_RANGE",
  [Code.Unimplemented]: "UNIMPLEMENTED",
  [Code.Internal]: "INTERNAL",
  [Code.Unavailable]: "UNAVAILABLE",
  [Code.DataLoss]: "DATA_LOSS",
  [Code.Unauthenticated]: "UNAUTHENTICATED",
};

// The transport's own words for a connection that was cut, under codes that would say that the call was wrong.
const brokenConnection = /^(http\/2 |protocol error: incomplete envelope)/;

/**
 * Gives what a call has thrown its type.
 *
 * @internal
 */
export function toStrawError(thrown: unknown): StrawError {
  if (thrown instanceof StrawError) {
    return thrown;
  }
  const error = ConnectError.from(thrown);
  const info = findErrorInfo(error);
  if (info) {
    return new StrawError(statusCodes[error.code], error.rawMessage, info.reason, info.metadata);
  }
  const code = brokenConnection.test(error.rawMessage) ? "UNAVAILABLE" : statusCodes[error.code];
  return new StrawError(code, error.rawMessage, "", {}, { cause: thrown });
}
