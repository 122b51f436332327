"""The one error of the client's calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

DOMAIN = "straw.v1"
"""Marks a gateway's own errors."""

_DETAILS = "grpc-status-details-bin"


class StrawError(Exception):
    """A call that failed, at the gateway or on the way to it.

    Attributes:
        code: The gRPC status code.
        reason: Why, as a name of `straw.v1.error_reason_pb2.ErrorReason`, such as `"CURSOR_EXPIRED"`; empty if the
            error isn't the gateway's own, but a proxy's or the transport's.
        metadata: What the reason is about, such as `oldest` for CURSOR_EXPIRED.
        message: A sentence for people.
    """

    code: grpc.StatusCode
    reason: str
    metadata: Mapping[str, str]
    message: str

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        own: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = metadata or {}
        self._own = own or bool(reason)

    def __str__(self) -> str:
        about = f"{self.code.name}, {self.reason}" if self.reason else self.code.name
        return f"{self.message} ({about})"

    @property
    def retryable(self) -> bool:
        """Whether calling again can help.

        A gateway's own errors say so by their code; the transport's and a proxy's are about the connection, unless they
        are about the caller or the call.
        """
        if self.code is grpc.StatusCode.UNAVAILABLE:
            return True
        return self.code in _CONNECTION and not self._own

    @classmethod
    def from_rpc(cls, error: grpc.RpcError) -> StrawError:
        """Return what gRPC raised, with the gateway's reason if it gave one."""
        call: Any = error  # what gRPC raises is a call, too; its type doesn't say so
        info = _error_info(call.trailing_metadata() or ())
        message = call.details() or "the call failed without a message"
        if info is None:
            return cls(call.code(), message)
        return cls(call.code(), message, reason=info.reason, metadata=dict(info.metadata), own=True)


_CONNECTION = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
    }
)


def _error_info(metadata: Iterable[tuple[str, str | bytes]]) -> ErrorInfo | None:
    for key, value in metadata:
        if key != _DETAILS or not isinstance(value, bytes):
            continue
        try:
            status = Status.FromString(value)
        except DecodeError:
            return None  # a proxy's; the code and the sentence still tell
        for detail in status.details:
            info = ErrorInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                return info
    return None


class ClosedError(StrawError):
    """The client was closed while it was in use."""

    def __init__(self) -> None:
        super().__init__(grpc.StatusCode.CANCELLED, "the client was closed")


class SilentError(StrawError):
    """A connection missed its heartbeats and is taken for dead."""

    def __init__(self) -> None:
        super().__init__(grpc.StatusCode.UNAVAILABLE, "no frame came in time, so the connection is taken for dead")


class ExportChangedError(StrawError):
    """A newer generation of the export has taken its place while it was downloaded: begin anew."""

    def __init__(self) -> None:
        super().__init__(grpc.StatusCode.ABORTED, "the export was fetched anew while it was downloaded", own=True)


class ChecksumError(StrawError):
    """The downloaded bytes are not those that the gateway stored."""

    def __init__(self, got: str, want: str) -> None:
        super().__init__(
            grpc.StatusCode.DATA_LOSS, f"the downloaded bytes have the SHA-256 {got} instead of {want}", own=True
        )
