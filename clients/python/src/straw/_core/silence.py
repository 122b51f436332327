"""When a connection that says nothing counts as dead."""

from __future__ import annotations

import math
import time

FIRST_FRAME = 20.0
"""Seconds that connecting may take; the gateway sends its first frame at once."""

_DEFAULT_HEARTBEAT = 15.0
_MISSED = 2.5


class Watch:
    """Times the waiting for frames, and only that: a program may take any time over a frame's events."""

    def __init__(self) -> None:
        self.patience = FIRST_FRAME
        self._deadline = math.inf

    def expect(self) -> None:
        """Begin to wait for the next frame."""
        self._deadline = time.monotonic() + self.patience

    def rest(self) -> None:
        """End waiting: the frame came, or none is wanted."""
        self._deadline = math.inf

    def connecting(self) -> None:
        """Begin to wait for a connection's first frame."""
        self.patience = FIRST_FRAME
        self.expect()

    def heartbeat(self, interval: float) -> None:
        """Be patient for two and a half of the gateway's heartbeats; zero means that it didn't announce any."""
        self.patience = _MISSED * (interval or _DEFAULT_HEARTBEAT)

    def left(self) -> float:
        """Seconds until the connection counts as dead; infinite while nothing is waited for."""
        return self._deadline - time.monotonic()

    def look_again(self) -> float:
        """Seconds after which to look whether the time is over."""
        return max(0.0, min(self.left(), self.patience))
