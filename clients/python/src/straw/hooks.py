"""What a program can be told of, for its own logs and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from straw.delivery import Settlement
from straw.errors import StrawError
from straw.events import Frame, Gap


@dataclass(frozen=True)
class Hooks:
    """Functions that are told what a subscription or consumer does.

    They are called in the thread or task that noticed, should return soon, and must not raise: what they raise is logged
    and dropped.

    Attributes:
        connected: The first frame of each connection came.
        disconnected: A connection was lost or couldn't be made: why, and the seconds before the next.
        frame: A frame came; called before its events are handed over, for the first one too.
        gap: Retention has removed events before they were delivered; the program gets what comes after them.
        settled: The gateway has answered an acknowledgement or nack, or never will; durable consumers only.
    """

    connected: Callable[[Frame], None] | None = None
    disconnected: Callable[[StrawError, float], None] | None = None
    frame: Callable[[Frame], None] | None = None
    gap: Callable[[Gap], None] | None = None
    settled: Callable[[Settlement], None] | None = None
