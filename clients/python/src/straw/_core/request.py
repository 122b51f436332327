"""What a program asks of a subscription, as the API's request."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypedDict, TypeVar

from straw.cursor import AsyncCursorStore, CursorStore, FileCursor
from straw.hooks import Hooks
from straw.v1.event_service_pb2 import OnGap, StartPosition, SubscribeRequest

Store = TypeVar("Store")


@dataclass(frozen=True)
class After:
    """Begin strictly after a cursor of an event or frame.

    An empty one is refused by the gateway: it is more likely a position that was lost than one that never was.
    """

    cursor: str


Start: TypeAlias = Literal["earliest", "latest"] | After | datetime
"""Where to begin: the oldest event that the gateway still has, what is appended from now on, after a cursor, or with the
first event that was received at or after a time (which needs a time zone)."""


class _Options(TypedDict, total=False):
    types: Sequence[str]
    """Event types: exact, `*`, or with a trailing `.*` for one or more segments. Empty means all."""
    allow_unseen_types: bool
    """Accept types that look like a misspelled known one."""
    filter: str
    """A CEL expression over `event` that must be true."""
    start: Start
    """Where to begin when `cursor_store` isn't given or holds nothing yet. Default `"latest"`."""
    include_raw: bool
    """Fill `event.raw` with the webhook's body."""
    end_at_head: bool
    """End after what existed when the subscription began; after a reconnect, what existed then."""
    heartbeat_interval: float
    """How often, in seconds, the gateway sends a frame at least: 1 to 60, default 15. After two and a half missed ones the
    subscription reconnects."""
    max_deliveries: int
    """Bounds the events of one frame. Default 256."""
    cursor_interval: float
    """Bounds, in seconds, how long a position goes unsaved, and so how much is repeated after a crash. Default 1."""
    hooks: Hooks
    """Are told what the subscription does."""


class SubscribeOptions(_Options, total=False):
    """What to stream, and from where. Without any, every event that is appended from now on."""

    cursor_store: CursorStore | str | os.PathLike[str]
    """Holds the position over restarts of the program; a path means `FileCursor(path)`. It is read when the subscription
    begins, and written within `cursor_interval` of a change and at the end. A program that stores what it made of the
    events should rather store `event.cursor` with it, in one transaction, and begin with `After`."""


class AsyncSubscribeOptions(_Options, total=False):
    """What to stream, and from where. Without any, every event that is appended from now on."""

    cursor_store: AsyncCursorStore | CursorStore | str | os.PathLike[str]
    """As in `SubscribeOptions`; the methods of a blocking store are called in a thread."""


OnGapOption: TypeAlias = Literal["fail", "continue"]


@dataclass(frozen=True)
class Plan(Generic[Store]):
    """The options, checked and with their defaults. An unknown option is a TypeError."""

    types: Sequence[str] = ()
    allow_unseen_types: bool = False
    filter: str = ""
    start: Start = "latest"
    on_gap: OnGapOption = "fail"
    include_raw: bool = False
    end_at_head: bool = False
    heartbeat_interval: float = 0.0
    max_deliveries: int = 0
    cursor_store: Store | str | os.PathLike[str] | None = None
    cursor_interval: float = 1.0
    hooks: Hooks | None = None

    def __post_init__(self) -> None:
        if isinstance(self.types, str):
            raise TypeError(f"straw: types is a list of types, such as [{self.types!r}]")
        if isinstance(self.start, datetime) and self.start.tzinfo is None:
            raise ValueError(f"straw: start {self.start} has no time zone, so it names no moment")

    @property
    def store(self) -> Store | FileCursor | None:
        """The cursor store, a file for a path."""
        if isinstance(self.cursor_store, (str, os.PathLike)):
            return FileCursor(self.cursor_store)
        return self.cursor_store

    def request(self) -> SubscribeRequest:
        """Return the request of the first connection."""
        request = SubscribeRequest(
            types=self.types,
            allow_unseen_types=self.allow_unseen_types,
            filter=self.filter,
            on_gap=_ON_GAP[self.on_gap],
            include_raw=self.include_raw,
            end_at_head=self.end_at_head,
            max_deliveries_per_response=self.max_deliveries,
        )
        if self.heartbeat_interval:
            request.heartbeat_interval.FromNanoseconds(round(self.heartbeat_interval * 1e9))
        if isinstance(self.start, After):
            request.after = self.start.cursor
        elif isinstance(self.start, datetime):
            request.start_time.FromDatetime(self.start)
        else:
            request.start_position = _POSITIONS[self.start]
        return request


_ON_GAP = {"fail": OnGap.FAIL, "continue": OnGap.CONTINUE}
_POSITIONS = {"earliest": StartPosition.EARLIEST, "latest": StartPosition.LATEST}
