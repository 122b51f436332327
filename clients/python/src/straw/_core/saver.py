"""Which cursor to save, and when."""

from __future__ import annotations

import time

from straw._core.progress import Progress


class Saving:
    """Knows what a store holds, and so whether there is anything to save."""

    def __init__(self, progress: Progress, interval: float) -> None:
        self._progress = progress
        self._saved = ""
        self._interval = max(interval, 0.001)
        self._next = time.monotonic() + self._interval
        self.error: Exception | None = None

    def loaded(self, cursor: str | None) -> None:
        """Begin where the store says, if it says anything."""
        self._saved = cursor or ""
        self._progress.resume_after(self._saved)

    def pending(self) -> str:
        """Return the cursor that is to be saved; empty if none is."""
        cursor = self._progress.cursor
        return "" if cursor == self._saved or self._progress.done is None else cursor

    def left(self) -> float:
        """Return the seconds until the interval since the last save is over."""
        return max(0.0, self._next - time.monotonic())

    def begin(self) -> None:
        """Begin an interval."""
        self._next = time.monotonic() + self._interval

    def saved(self, cursor: str) -> None:
        """Note that the store holds a cursor."""
        self._saved = cursor
