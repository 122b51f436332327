"""The stream's messages, the known types of event, and what an event says."""

from __future__ import annotations

from typing import Final, TypeAlias, cast

from straw.v1.event_pb2 import (
    AnalysisCompleted,
    DatasetUpdated,
    Event,
    ExportFailed,
    ExportReady,
    ExportStored,
    QuotaWarning,
    SearchAlert,
    Unrecognized,
)
from straw.v1.event_service_pb2 import Gap, SubscribeResponse

Frame: TypeAlias = SubscribeResponse
"""One message of the stream: events, how far the log was read, and what is left of it."""

Payload: TypeAlias = (
    AnalysisCompleted
    | DatasetUpdated
    | ExportReady
    | QuotaWarning
    | SearchAlert
    | ExportStored
    | ExportFailed
    | Unrecognized
)
"""What an event says."""

# The types that this version of the client knows. Types are an open set: compare, but don't rely on the list.
ANALYSIS_COMPLETED: Final = "analysis.completed"
DATASET_UPDATED: Final = "dataset.updated"
EXPORT_READY: Final = "export.ready"
QUOTA_WARNING: Final = "quota.warning"
SEARCH_ALERT: Final = "search.alert"
EXPORT_STORED: Final = "straw.export.stored"
EXPORT_FAILED: Final = "straw.export.failed"
UNRECOGNIZED: Final = "straw.unrecognized"
"""The type of an event whose own type couldn't be read."""


def payload(event: Event) -> Payload | None:
    """Return what the event says, as its typed message.

    It is None for a payload that is newer than this client; treat that as `Unrecognized`. Match on it and not on
    `event.type`: an event of a known type is `Unrecognized` if its body was malformed.

        match straw.payload(event):
            case straw.AnalysisCompleted() as done:
                fetch_results(done.analysis_id)
            case straw.Unrecognized() | None:
                log.warning("unrecognized event %s of type %s", event.id, event.type)
    """
    name = event.WhichOneof("payload")
    return cast("Payload", getattr(event, name)) if name else None


__all__ = [
    "ANALYSIS_COMPLETED",
    "DATASET_UPDATED",
    "EXPORT_FAILED",
    "EXPORT_READY",
    "EXPORT_STORED",
    "QUOTA_WARNING",
    "SEARCH_ALERT",
    "UNRECOGNIZED",
    "AnalysisCompleted",
    "DatasetUpdated",
    "Event",
    "ExportFailed",
    "ExportReady",
    "ExportStored",
    "Frame",
    "Gap",
    "Payload",
    "QuotaWarning",
    "SearchAlert",
    "Unrecognized",
    "payload",
]
