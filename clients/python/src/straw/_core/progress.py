"""Where a subscription stands, and what it does about a connection that ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from straw._core.backoff import jitter
from straw._core.silence import Watch
from straw.errors import SilentError, StrawError
from straw.events import Event, Frame
from straw.hooks import Hooks
from straw.v1.event_service_pb2 import SubscribeRequest

log = logging.getLogger("straw")

_BUSY = frozenset({"TOO_MANY_STREAMS", "RATE_LIMITED"})


@dataclass(frozen=True)
class Retreat:
    """A connection ended, and another is to be made after `delay` seconds; over a new channel if `fresh`."""

    delay: float
    fresh: bool


class Progress:
    """One subscription across its connections.

    `done` is the last event that was processed, or the last frame whose events all were: to note it costs no more than a
    reference, and its cursor is only read when it is wanted.
    """

    def __init__(self, request: SubscribeRequest, hooks: Hooks | None) -> None:
        self._request = request
        self._hooks = hooks or Hooks()
        self._start = ""
        self._connected = False
        self._first = True
        self._failures = 0
        self._pause = 0.0
        self.done: Event | Frame | None = None
        self.watch = Watch()

    @property
    def cursor(self) -> str:
        """Everything up to here is processed; empty before anything was."""
        return self.done.cursor if self.done is not None else self._start

    def resume_after(self, cursor: str) -> None:
        """Begin after a cursor from an earlier run, if there is one."""
        self._start = cursor

    def connect(self) -> SubscribeRequest:
        """Begin a connection: return its request."""
        self._first = True
        self.watch.connecting()
        if cursor := self.cursor:
            self._request.after = cursor
        return self._request

    def received(self, frame: Frame) -> None:
        """Note that a frame came, before its events are handed over."""
        self.watch.rest()
        if self._first:
            self._first, self._connected = False, True
            self.watch.heartbeat(frame.heartbeat_interval.ToTimedelta().total_seconds())
            log.debug("connected; %d events behind the head", frame.backlog)
            call_hook(self._hooks.connected, frame)
        else:
            # Not by the first frame, or a stream that always dies at the same event would be retried at full speed.
            self._failures = 0
        call_hook(self._hooks.frame, frame)
        if frame.HasField("gap"):
            call_hook(self._hooks.gap, frame.gap)
        if frame.HasField("going_away"):
            self._pause = frame.going_away.retry_delay.ToTimedelta().total_seconds()

    def processed(self, frame: Frame) -> None:
        """Note that all of a frame is processed, and wait for the next."""
        if frame.cursor:
            self.done = frame
        self.watch.expect()

    def ended(self, error: StrawError | None) -> Retreat | None:
        """Decide about a connection that ended, None with OK.

        Return None if that is the subscription's end. Raise the error if connecting again can't help.
        """
        self.watch.rest()
        if error is None:
            if self._request.end_at_head:
                return None
            error = StrawError(grpc.StatusCode.UNAVAILABLE, "the stream ended without a reason")
        elif not self._recoverable(error):
            raise error
        self._failures += 1
        delay = self._pause + jitter(self._failures)
        self._pause = 0.0
        log.info("disconnected: %s; connecting again in %.2f s", error, delay)
        call_hook(self._hooks.disconnected, error, delay)
        return Retreat(delay, fresh=isinstance(error, SilentError))

    def _recoverable(self, error: StrawError) -> bool:
        if error.reason in _BUSY:
            # The gateway may not yet know that the stream before is lost. At the first try it is simply so.
            return self._connected
        return error.retryable


def call_hook(hook: Callable[..., None] | None, *about: Any) -> None:
    """Tell a program's hook. What that raises is the program's mistake, and must not end a stream."""
    if hook is None:
        return
    try:
        hook(*about)
    except Exception:
        log.exception("the hook %r raised", hook)
