"""The connection that a client's calls and streams go over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

Channel = TypeVar("Channel")
Stubs = TypeVar("Stubs", covariant=True)
Stream = TypeVar("Stream")


class Connector(Protocol[Channel, Stubs]):
    """Makes channels to a gateway, and the stubs of its services over one."""

    def dial(self, *, fresh: bool) -> Channel:
        """Return a channel, without any I/O; one that is `fresh` shares no connection with any other."""

    def stubs(self, channel: Channel) -> Stubs:
        """Return the stubs over a channel."""


class Streams(Generic[Stream]):
    """What ends with its client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Stream] = set()
        self.closed = False

    def add(self, stream: Stream, close: Callable[[], None]) -> None:
        """Take a stream in; close it if the client was closed already."""
        with self._lock:
            self._open.add(stream)
        if self.closed:
            close()

    def discard(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        with self._lock:
            self._open.discard(stream)

    def close(self) -> list[Stream]:
        """Take no more; return what is to be closed."""
        self.closed = True
        with self._lock:
            return list(self._open)


class Link(Generic[Channel, Stubs]):
    """A channel with its stubs.

    A stream begins on its client's channel and gets one of its own when that fell silent: what made the other deaf, perhaps
    a proxy that answers pings for a dead gateway, may stay so for as long as it lives.
    """

    def __init__(self, connector: Connector[Channel, Stubs], channel: Channel | None = None) -> None:
        self._connector = connector
        self._own = False
        self.channel = connector.dial(fresh=False) if channel is None else channel
        self.stubs = connector.stubs(self.channel)

    def borrow(self) -> Link[Channel, Stubs]:
        """Return a link for one stream, over the same channel."""
        return Link(self._connector, self.channel)

    def renew(self) -> Channel | None:
        """Go on over a new channel. Return the one before if it is to be closed."""
        old = self.release()
        self.channel, self._own = self._connector.dial(fresh=True), True
        self.stubs = self._connector.stubs(self.channel)
        return old

    def release(self) -> Channel | None:
        """End a stream's part. Return its channel if it is to be closed, for it was the stream's own."""
        own, self._own = self._own, False
        return self.channel if own else None
