"""A subscription's loop over its connections, in the program's own thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Generic, Protocol, TypeVar

import grpc

from straw._core.link import Link, Streams
from straw._core.progress import Progress, Retreat, log
from straw._core.saver import Saving
from straw._core.silence import Watch
from straw._stubs import Stream, Stubs
from straw.cursor import CursorStore
from straw.errors import ClosedError, SilentError, StrawError
from straw.events import Event, Frame, Gap
from straw.v1.event_service_pb2 import SubscribeResponse

Item = TypeVar("Item", covariant=True)

_STEP = 0.2
"""Seconds that a signal waits for its handler at most."""


class Closable(Protocol):
    """Something that ends with its client."""

    def close(self) -> None:
        """End it."""


class Subscription(Generic[Item]):
    """An iterator over a stream that survives its connections; also a context manager that closes it.

    An item is processed when the next one is asked for. One that is left by `break`, `return` or an exception isn't, and
    comes again with the next subscription that goes on from the saved cursor. For one thread, apart from `close`.
    """

    def __init__(self, loop: Loop, items: Generator[Item, None, None]) -> None:
        self._loop = loop
        self._items = items

    def __iter__(self) -> Iterator[Item]:
        return self._items

    def __next__(self) -> Item:
        return next(self._items)

    def __enter__(self) -> Subscription[Item]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def stop(self) -> None:
        """End the iteration once the item that is worked on is processed.

        From any thread or signal handler, and idempotent.
        """
        self._loop.stop()

    def close(self) -> None:
        """End the iteration and save the position; an item that is worked on isn't processed.

        From any thread, and idempotent.
        """
        self._loop.close()
        with contextlib.suppress(ValueError):  # another thread waits in it, and it ends by itself
            self._items.close()


class Loop:
    """Connects again and again, and yields each frame."""

    def __init__(
        self,
        link: Link[grpc.Channel, Stubs],
        streams: Streams[Closable],
        progress: Progress,
        saver: Saver | None = None,
        before_connect: Callable[[], None] | None = None,
    ) -> None:
        self._link = link
        self._streams = streams
        self._progress = progress
        self._saver = saver
        self._before_connect = before_connect
        self.ending = False
        self._ends = threading.Condition()
        self._call: Stream[SubscribeResponse] | None = None

    def stop(self) -> None:
        """End the frames, from any thread or signal handler. Idempotent."""
        self.ending = True
        with self._ends:
            self._ends.notify_all()
        if self._call is not None:
            self._call.cancel()

    def close(self) -> None:
        """End the frames, from any thread, and save the position, in case that nobody asks for another. Idempotent."""
        self.stop()
        if self._saver is not None:
            self._saver.save()

    def frames(self) -> Generator[Frame, None, None]:
        """Yield frames to the subscription's end. Raises what a retry can't help."""
        saver = self._saver
        if saver is not None:
            saver.load()
        keeper = _Keeper(self._progress.watch, saver)
        self._streams.add(self, self.close)
        try:
            while not self.ending:
                error = None
                try:
                    yield from self._connection(keeper)
                except StrawError as failure:
                    error = failure
                if self.ending:
                    break
                if keeper.silent:
                    error = SilentError()
                if not self._retreat(self._progress.ended(error)):
                    return
            self.check_closed()
        finally:
            self._streams.discard(self)
            keeper.stop()
            if self._call is not None:
                self._call.cancel()
            _close(self._link.release())
            if saver is not None:
                saver.flush()

    def check_closed(self) -> None:
        """Raise ClosedError if it is the client that ends the frames."""
        if self._streams.closed:
            raise ClosedError

    def _connection(self, keeper: _Keeper) -> Iterator[Frame]:
        progress = self._progress
        if self._before_connect is not None:
            self._before_connect()
        request = progress.connect()
        self._call = call = self._link.stubs.events.Subscribe(request)
        keeper.guard(call)
        if self.ending:  # close came before there was a call to cancel
            return
        first = True
        for frame in call:
            progress.received(frame)
            if first:
                first = False
                keeper.wake()  # its patience is another now
            yield frame
            if self._saver is not None:
                self._saver.check()
            progress.processed(frame)
            if self.ending:
                return

    def _retreat(self, retreat: Retreat | None) -> bool:
        """Wait before the next connection; false if there is to be none."""
        if retreat is None:
            return False
        if retreat.fresh:
            _close(self._link.renew())
        self._wait(time.monotonic() + retreat.delay)
        return True

    def _wait(self, until: float) -> None:
        # In short steps: a signal's handler gets its turn between two, whichever thread the system gave the signal to.
        with self._ends:
            while not self.ending and (left := until - time.monotonic()) > 0:
                self._ends.wait(min(left, _STEP))


class Saver:
    """Writes the newest cursor to a store, within an interval of its change and at the end."""

    def __init__(self, store: CursorStore, saving: Saving) -> None:
        self._store = store
        self._saving = saving
        self._saves = threading.Lock()

    def left(self) -> float:
        """Seconds until it is time to save."""
        return self._saving.left()

    def load(self) -> None:
        """Begin where the store says."""
        self._saving.loaded(self._store.load())

    def check(self) -> None:
        """Raise what saving raised."""
        if self._saving.error is not None:
            raise self._saving.error

    def tick(self) -> None:
        """Save what is pending, if it is time to."""
        if self.left() == 0:
            self._saving.begin()
            self.save()

    def save(self) -> None:
        """Save what is pending. What that raises is for `check`."""
        with self._saves:
            cursor = self._saving.pending()
            if not cursor or self._saving.error is not None:
                return
            try:
                self._store.save(cursor)
            except Exception as error:
                log.exception("the cursor could not be saved")
                self._saving.error = error
            else:
                self._saving.saved(cursor)

    def flush(self) -> None:
        """Save what is pending, and raise what saving raised."""
        self.save()
        self.check()


class _Keeper:
    """A thread that cancels a silent call, and saves the position while the loop waits."""

    def __init__(self, watch: Watch, saver: Saver | None) -> None:
        self.silent = False
        self._watch = watch
        self._saver = saver
        self._call: Stream[SubscribeResponse] | None = None
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="straw-keeper", daemon=True)
        self._thread.start()

    def guard(self, call: Stream[SubscribeResponse]) -> None:
        """Watch over a new connection's call."""
        self.silent = False
        self._call = call
        self._wake.set()

    def wake(self) -> None:
        """Look at the time anew."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread, and wait until it has."""
        self._stopped = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._pause())
            self._wake.clear()
            if self._watch.left() <= 0 and self._call is not None:
                self._watch.rest()
                self.silent = True
                self._call.cancel()
            if self._saver is not None and not self._stopped:
                self._saver.tick()

    def _pause(self) -> float:
        pause = self._watch.look_again()
        return pause if self._saver is None else min(pause, self._saver.left())


def events(loop: Loop, progress: Progress) -> Generator[Event | Gap, None, None]:
    """Yield the loop's events, and its gaps in their place."""
    for frame in loop.frames():
        for delivery in frame.deliveries:
            event = delivery.event
            yield event
            progress.done = event
            if loop.ending:
                loop.check_closed()
                return
        if frame.HasField("gap"):
            yield frame.gap


def _close(channel: grpc.Channel | None) -> None:
    if channel is not None:
        channel.close()
