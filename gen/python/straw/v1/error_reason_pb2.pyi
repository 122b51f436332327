from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    INVALID_FIELD: _ClassVar[ErrorReason]
    UNKNOWN_EVENT_TYPE: _ClassVar[ErrorReason]
    INVALID_FILTER: _ClassVar[ErrorReason]
    FILTER_TOO_COSTLY: _ClassVar[ErrorReason]
    INVALID_CURSOR: _ClassVar[ErrorReason]
    FOREIGN_CURSOR: _ClassVar[ErrorReason]
    CURSOR_EXPIRED: _ClassVar[ErrorReason]
    CURSOR_AHEAD: _ClassVar[ErrorReason]
    EVENT_NOT_FOUND: _ClassVar[ErrorReason]
    SUBSCRIPTION_NOT_FOUND: _ClassVar[ErrorReason]
    EXPORT_NOT_FOUND: _ClassVar[ErrorReason]
    SUBSCRIPTION_EXISTS: _ClassVar[ErrorReason]
    ETAG_MISMATCH: _ClassVar[ErrorReason]
    EXPORT_NOT_AVAILABLE: _ClassVar[ErrorReason]
    EXPORT_LINK_EXPIRED: _ClassVar[ErrorReason]
    TOO_MANY_STREAMS: _ClassVar[ErrorReason]
    RATE_LIMITED: _ClassVar[ErrorReason]
    OVERLOADED: _ClassVar[ErrorReason]
    DRAINING: _ClassVar[ErrorReason]
    STORAGE_FULL: _ClassVar[ErrorReason]
    STORE_UNAVAILABLE: _ClassVar[ErrorReason]
    STORE_CORRUPT: _ClassVar[ErrorReason]
    UPSTREAM_UNREACHABLE: _ClassVar[ErrorReason]
    UPSTREAM_REJECTED: _ClassVar[ErrorReason]
    UPSTREAM_HELD: _ClassVar[ErrorReason]
    HOST_NOT_ALLOWED: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
INVALID_FIELD: ErrorReason
UNKNOWN_EVENT_TYPE: ErrorReason
INVALID_FILTER: ErrorReason
FILTER_TOO_COSTLY: ErrorReason
INVALID_CURSOR: ErrorReason
FOREIGN_CURSOR: ErrorReason
CURSOR_EXPIRED: ErrorReason
CURSOR_AHEAD: ErrorReason
EVENT_NOT_FOUND: ErrorReason
SUBSCRIPTION_NOT_FOUND: ErrorReason
EXPORT_NOT_FOUND: ErrorReason
SUBSCRIPTION_EXISTS: ErrorReason
ETAG_MISMATCH: ErrorReason
EXPORT_NOT_AVAILABLE: ErrorReason
EXPORT_LINK_EXPIRED: ErrorReason
TOO_MANY_STREAMS: ErrorReason
RATE_LIMITED: ErrorReason
OVERLOADED: ErrorReason
DRAINING: ErrorReason
STORAGE_FULL: ErrorReason
STORE_UNAVAILABLE: ErrorReason
STORE_CORRUPT: ErrorReason
UPSTREAM_UNREACHABLE: ErrorReason
UPSTREAM_REJECTED: ErrorReason
UPSTREAM_HELD: ErrorReason
HOST_NOT_ALLOWED: ErrorReason
