"""The lines that the driver prints."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import straw

_printing = threading.Lock()


def say(**line: Any) -> None:
    """Print one line."""
    with _printing:
        print(json.dumps(line), flush=True)


def say_event(event: straw.Event) -> None:
    """Print an event."""
    raw = {"raw": True} if event.raw else {}
    say(event=event.id, type=event.type, payload=event.WhichOneof("payload") or "", cursor=event.cursor, **raw)


def say_gap(gap: straw.Gap) -> None:
    """Print what retention has removed."""
    say(gap={"requested": gap.requested, "oldest": gap.oldest})


def say_error(error: Exception) -> None:
    """Print how something ended."""
    if isinstance(error, straw.StrawError):
        say(error={"code": error.code.name, "reason": error.reason, "metadata": dict(error.metadata)})
    else:
        print(error, file=sys.stderr)
        say(error={"code": "UNKNOWN", "reason": "", "metadata": {}})


def connections(**more: Any) -> straw.Hooks:
    """Print when connections come and go."""
    return straw.Hooks(
        connected=lambda _: say(connected=True),
        disconnected=lambda error, _: say(disconnected=error.reason),
        **more,
    )


def when(stopped: threading.Event, stop: Callable[[], None]) -> None:
    """Stop something when the driver is told to end, or has seen enough."""

    def wait() -> None:
        stopped.wait()
        stop()

    threading.Thread(target=wait, daemon=True).start()
