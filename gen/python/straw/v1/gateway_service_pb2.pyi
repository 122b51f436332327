import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from straw.v1 import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "features", "start_time", "store", "head_cursor", "oldest_cursor", "type_counts", "unrecognized_count", "duplicate_count", "conflict_count", "secrets", "latest_quota_warning", "juicebox_hold_until", "stream_count")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    HEAD_CURSOR_FIELD_NUMBER: _ClassVar[int]
    OLDEST_CURSOR_FIELD_NUMBER: _ClassVar[int]
    TYPE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    UNRECOGNIZED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    LATEST_QUOTA_WARNING_FIELD_NUMBER: _ClassVar[int]
    JUICEBOX_HOLD_UNTIL_FIELD_NUMBER: _ClassVar[int]
    STREAM_COUNT_FIELD_NUMBER: _ClassVar[int]
    version: str
    features: _containers.RepeatedScalarFieldContainer[str]
    start_time: _timestamp_pb2.Timestamp
    store: StoreStatus
    head_cursor: str
    oldest_cursor: str
    type_counts: _containers.RepeatedCompositeFieldContainer[TypeCount]
    unrecognized_count: int
    duplicate_count: int
    conflict_count: int
    secrets: _containers.RepeatedCompositeFieldContainer[SecretStatus]
    latest_quota_warning: _event_pb2.Event
    juicebox_hold_until: _timestamp_pb2.Timestamp
    stream_count: int
    def __init__(self, version: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., store: _Optional[_Union[StoreStatus, _Mapping]] = ..., head_cursor: _Optional[str] = ..., oldest_cursor: _Optional[str] = ..., type_counts: _Optional[_Iterable[_Union[TypeCount, _Mapping]]] = ..., unrecognized_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., conflict_count: _Optional[int] = ..., secrets: _Optional[_Iterable[_Union[SecretStatus, _Mapping]]] = ..., latest_quota_warning: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., juicebox_hold_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stream_count: _Optional[int] = ...) -> None: ...

class StoreStatus(_message.Message):
    __slots__ = ("engine", "id", "incarnation", "event_count", "size_bytes", "writable", "problem")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WRITABLE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    engine: str
    id: str
    incarnation: str
    event_count: int
    size_bytes: int
    writable: bool
    problem: str
    def __init__(self, engine: _Optional[str] = ..., id: _Optional[str] = ..., incarnation: _Optional[str] = ..., event_count: _Optional[int] = ..., size_bytes: _Optional[int] = ..., writable: bool = ..., problem: _Optional[str] = ...) -> None: ...

class TypeCount(_message.Message):
    __slots__ = ("type", "count")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    type: str
    count: int
    def __init__(self, type: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class SecretStatus(_message.Message):
    __slots__ = ("fingerprint", "last_used_time")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_TIME_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    last_used_time: _timestamp_pb2.Timestamp
    def __init__(self, fingerprint: _Optional[str] = ..., last_used_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RegisterWebhookRequest(_message.Message):
    __slots__ = ("url", "types")
    URL_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    url: str
    types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, url: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ...) -> None: ...

class RegisterWebhookResponse(_message.Message):
    __slots__ = ("id", "url", "types", "secret_fingerprint")
    ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    SECRET_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    id: str
    url: str
    types: _containers.RepeatedScalarFieldContainer[str]
    secret_fingerprint: str
    def __init__(self, id: _Optional[str] = ..., url: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ..., secret_fingerprint: _Optional[str] = ...) -> None: ...
