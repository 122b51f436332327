import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from straw.v1 import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartPosition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    START_POSITION_UNSPECIFIED: _ClassVar[StartPosition]
    EARLIEST: _ClassVar[StartPosition]
    LATEST: _ClassVar[StartPosition]

class OnGap(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_GAP_UNSPECIFIED: _ClassVar[OnGap]
    FAIL: _ClassVar[OnGap]
    CONTINUE: _ClassVar[OnGap]

class EventView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_VIEW_UNSPECIFIED: _ClassVar[EventView]
    BASIC: _ClassVar[EventView]
    RAW: _ClassVar[EventView]
START_POSITION_UNSPECIFIED: StartPosition
EARLIEST: StartPosition
LATEST: StartPosition
ON_GAP_UNSPECIFIED: OnGap
FAIL: OnGap
CONTINUE: OnGap
EVENT_VIEW_UNSPECIFIED: EventView
BASIC: EventView
RAW: EventView

class SubscribeRequest(_message.Message):
    __slots__ = ("types", "allow_unseen_types", "filter", "after", "start_time", "start_position", "on_gap", "subscription_id", "max_outstanding", "heartbeat_interval", "max_deliveries_per_response", "include_raw", "end_at_head")
    TYPES_FIELD_NUMBER: _ClassVar[int]
    ALLOW_UNSEEN_TYPES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    START_POSITION_FIELD_NUMBER: _ClassVar[int]
    ON_GAP_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MAX_DELIVERIES_PER_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_RAW_FIELD_NUMBER: _ClassVar[int]
    END_AT_HEAD_FIELD_NUMBER: _ClassVar[int]
    types: _containers.RepeatedScalarFieldContainer[str]
    allow_unseen_types: bool
    filter: str
    after: str
    start_time: _timestamp_pb2.Timestamp
    start_position: StartPosition
    on_gap: OnGap
    subscription_id: str
    max_outstanding: int
    heartbeat_interval: _duration_pb2.Duration
    max_deliveries_per_response: int
    include_raw: bool
    end_at_head: bool
    def __init__(self, types: _Optional[_Iterable[str]] = ..., allow_unseen_types: bool = ..., filter: _Optional[str] = ..., after: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_position: _Optional[_Union[StartPosition, str]] = ..., on_gap: _Optional[_Union[OnGap, str]] = ..., subscription_id: _Optional[str] = ..., max_outstanding: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_deliveries_per_response: _Optional[int] = ..., include_raw: bool = ..., end_at_head: bool = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("deliveries", "cursor", "backlog", "gap", "going_away", "heartbeat_interval", "features")
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    GOING_AWAY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[Delivery]
    cursor: str
    backlog: int
    gap: Gap
    going_away: GoingAway
    heartbeat_interval: _duration_pb2.Duration
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[Delivery, _Mapping]]] = ..., cursor: _Optional[str] = ..., backlog: _Optional[int] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ..., going_away: _Optional[_Union[GoingAway, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("event", "ack_id", "attempt")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ACK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.Event
    ack_id: str
    attempt: int
    def __init__(self, event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., ack_id: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("requested", "oldest")
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIELD_NUMBER: _ClassVar[int]
    requested: str
    oldest: str
    def __init__(self, requested: _Optional[str] = ..., oldest: _Optional[str] = ...) -> None: ...

class GoingAway(_message.Message):
    __slots__ = ("retry_delay", "reason")
    RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    retry_delay: _duration_pb2.Duration
    reason: str
    def __init__(self, retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class GetEventRequest(_message.Message):
    __slots__ = ("id", "source", "view")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    id: str
    source: str
    view: EventView
    def __init__(self, id: _Optional[str] = ..., source: _Optional[str] = ..., view: _Optional[_Union[EventView, str]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("types", "filter", "start_time", "end_time", "page_size", "page_token")
    TYPES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    types: _containers.RepeatedScalarFieldContainer[str]
    filter: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, types: _Optional[_Iterable[str]] = ..., filter: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
