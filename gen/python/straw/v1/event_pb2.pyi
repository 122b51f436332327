import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("id", "type", "source", "cursor", "receive_time", "create_time", "traceparent", "raw", "analysis_completed", "dataset_updated", "export_ready", "quota_warning", "search_alert", "export_stored", "export_failed", "unrecognized")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    DATASET_UPDATED_FIELD_NUMBER: _ClassVar[int]
    EXPORT_READY_FIELD_NUMBER: _ClassVar[int]
    QUOTA_WARNING_FIELD_NUMBER: _ClassVar[int]
    SEARCH_ALERT_FIELD_NUMBER: _ClassVar[int]
    EXPORT_STORED_FIELD_NUMBER: _ClassVar[int]
    EXPORT_FAILED_FIELD_NUMBER: _ClassVar[int]
    UNRECOGNIZED_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    source: str
    cursor: str
    receive_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    traceparent: str
    raw: bytes
    analysis_completed: AnalysisCompleted
    dataset_updated: DatasetUpdated
    export_ready: ExportReady
    quota_warning: QuotaWarning
    search_alert: SearchAlert
    export_stored: ExportStored
    export_failed: ExportFailed
    unrecognized: Unrecognized
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., source: _Optional[str] = ..., cursor: _Optional[str] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., traceparent: _Optional[str] = ..., raw: _Optional[bytes] = ..., analysis_completed: _Optional[_Union[AnalysisCompleted, _Mapping]] = ..., dataset_updated: _Optional[_Union[DatasetUpdated, _Mapping]] = ..., export_ready: _Optional[_Union[ExportReady, _Mapping]] = ..., quota_warning: _Optional[_Union[QuotaWarning, _Mapping]] = ..., search_alert: _Optional[_Union[SearchAlert, _Mapping]] = ..., export_stored: _Optional[_Union[ExportStored, _Mapping]] = ..., export_failed: _Optional[_Union[ExportFailed, _Mapping]] = ..., unrecognized: _Optional[_Union[Unrecognized, _Mapping]] = ...) -> None: ...

class AnalysisCompleted(_message.Message):
    __slots__ = ("analysis_id", "result_count", "query")
    ANALYSIS_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    analysis_id: str
    result_count: int
    query: str
    def __init__(self, analysis_id: _Optional[str] = ..., result_count: _Optional[int] = ..., query: _Optional[str] = ...) -> None: ...

class DatasetUpdated(_message.Message):
    __slots__ = ("dataset_id", "records_added", "total_records")
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    RECORDS_ADDED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RECORDS_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    records_added: int
    total_records: int
    def __init__(self, dataset_id: _Optional[str] = ..., records_added: _Optional[int] = ..., total_records: _Optional[int] = ...) -> None: ...

class ExportReady(_message.Message):
    __slots__ = ("export_id", "download_url", "format", "url_expire_time")
    EXPORT_ID_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    URL_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    export_id: str
    download_url: str
    format: str
    url_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, export_id: _Optional[str] = ..., download_url: _Optional[str] = ..., format: _Optional[str] = ..., url_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class QuotaWarning(_message.Message):
    __slots__ = ("usage_percent", "reset_date", "plan_tier")
    USAGE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    RESET_DATE_FIELD_NUMBER: _ClassVar[int]
    PLAN_TIER_FIELD_NUMBER: _ClassVar[int]
    usage_percent: float
    reset_date: str
    plan_tier: str
    def __init__(self, usage_percent: _Optional[float] = ..., reset_date: _Optional[str] = ..., plan_tier: _Optional[str] = ...) -> None: ...

class SearchAlert(_message.Message):
    __slots__ = ("alert_id", "new_matches", "criteria")
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_MATCHES_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    alert_id: str
    new_matches: int
    criteria: str
    def __init__(self, alert_id: _Optional[str] = ..., new_matches: _Optional[int] = ..., criteria: _Optional[str] = ...) -> None: ...

class ExportStored(_message.Message):
    __slots__ = ("export_id", "generation", "source_event_id", "size_bytes", "sha256", "content_type", "format")
    EXPORT_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    export_id: str
    generation: int
    source_event_id: str
    size_bytes: int
    sha256: str
    content_type: str
    format: str
    def __init__(self, export_id: _Optional[str] = ..., generation: _Optional[int] = ..., source_event_id: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., content_type: _Optional[str] = ..., format: _Optional[str] = ...) -> None: ...

class ExportFailed(_message.Message):
    __slots__ = ("export_id", "generation", "source_event_id", "reason")
    EXPORT_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    export_id: str
    generation: int
    source_event_id: str
    reason: str
    def __init__(self, export_id: _Optional[str] = ..., generation: _Optional[int] = ..., source_event_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Unrecognized(_message.Message):
    __slots__ = ("reason", "detail")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Unrecognized.Reason]
        UNKNOWN_TYPE: _ClassVar[Unrecognized.Reason]
        MALFORMED_DATA: _ClassVar[Unrecognized.Reason]
        MALFORMED_JSON: _ClassVar[Unrecognized.Reason]
        MISSING_ID: _ClassVar[Unrecognized.Reason]
        RESERVED: _ClassVar[Unrecognized.Reason]
    REASON_UNSPECIFIED: Unrecognized.Reason
    UNKNOWN_TYPE: Unrecognized.Reason
    MALFORMED_DATA: Unrecognized.Reason
    MALFORMED_JSON: Unrecognized.Reason
    MISSING_ID: Unrecognized.Reason
    RESERVED: Unrecognized.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: Unrecognized.Reason
    detail: str
    def __init__(self, reason: _Optional[_Union[Unrecognized.Reason, str]] = ..., detail: _Optional[str] = ...) -> None: ...
