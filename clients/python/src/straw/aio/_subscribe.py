"""A subscription's loop over its connections, in the program's own task."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Generic, Protocol, TypeVar, cast

import grpc.aio

from straw._core.link import Link, Streams
from straw._core.progress import Progress, Retreat, log
from straw._core.saver import Saving
from straw._core.silence import Watch
from straw.aio._stubs import Stream, Stubs
from straw.cursor import AsyncCursorStore, CursorStore
from straw.errors import ClosedError, SilentError, StrawError
from straw.events import Event, Frame, Gap
from straw.v1.event_service_pb2 import SubscribeResponse

Item = TypeVar("Item", covariant=True)


class Closable(Protocol):
    """Something that ends with its client."""

    async def close(self) -> None:
        """End it."""


class Subscription(Generic[Item]):
    """An asynchronous iterator over a stream that survives its connections; also a context manager that closes it.

    An item is processed when the next one is asked for. One that is left by `break`, `return`, an exception or cancellation
    isn't, and comes again with the next subscription that goes on from the saved cursor. For one task.
    """

    def __init__(self, loop: Loop, items: AsyncGenerator[Item, None]) -> None:
        self._loop = loop
        self._items = items

    def __aiter__(self) -> AsyncIterator[Item]:
        return self._items

    async def __anext__(self) -> Item:
        return await anext(self._items)

    async def __aenter__(self) -> Subscription[Item]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def stop(self) -> None:
        """End the iteration once the item that is worked on is processed. From the event loop, and idempotent."""
        self._loop.stop()

    async def close(self) -> None:
        """End the iteration and save the position; an item that is worked on isn't processed. Idempotent."""
        await self._loop.close()
        with contextlib.suppress(RuntimeError):  # another task waits in it, and it ends by itself
            await self._items.aclose()


class Loop:
    """Connects again and again, and yields each frame."""

    def __init__(
        self,
        link: Link[grpc.aio.Channel, Stubs],
        streams: Streams[Closable],
        progress: Progress,
        saver: Saver | None = None,
        before_connect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._link = link
        self._streams = streams
        self._progress = progress
        self._saver = saver
        self._before_connect = before_connect
        self.ending = False
        self._closing = asyncio.Event()
        self._call: Stream[SubscribeResponse] | None = None
        self._keeper = _Keeper(progress.watch)

    async def close(self) -> None:
        """End the frames, and save the position, in case that nobody asks for another. Idempotent."""
        self.stop()
        if self._saver is not None:
            await self._saver.save()

    def stop(self) -> None:
        """End the frames, at once. Idempotent."""
        self.ending = True
        self._closing.set()
        if self._call is not None:
            self._call.cancel()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Yield frames to the subscription's end. Raises what a retry can't help."""
        saver = self._saver
        if saver is not None:
            await saver.start()
        self._streams.add(self, self.stop)
        try:
            while not self.ending:
                error = None
                try:
                    connection = self._connection()
                    async with contextlib.aclosing(connection):
                        async for frame in connection:
                            yield frame
                except StrawError as failure:
                    error = failure
                except asyncio.CancelledError:
                    # A call that is cancelled here raises this, too. The task's own cancellation is not ours to swallow.
                    if not self._keeper.silent and not self.ending:
                        raise
                if self.ending:
                    break
                if self._keeper.silent:
                    error = SilentError()
                if not await self._retreat(self._progress.ended(error)):
                    return
            self.check_closed()
        finally:
            self._streams.discard(self)
            self._keeper.stop()
            if self._call is not None:
                self._call.cancel()
            if saver is not None:
                await saver.flush()
            await _close(self._link.release())

    def check_closed(self) -> None:
        """Raise ClosedError if it is the client that ends the frames."""
        if self._streams.closed:
            raise ClosedError

    async def _connection(self) -> AsyncGenerator[Frame, None]:
        progress = self._progress
        if self._before_connect is not None:
            await self._before_connect()
        request = progress.connect()
        self._call = call = await self._link.stubs.events.Subscribe(request)
        if self.ending:  # close came before there was a call to cancel
            return
        self._keeper.guard(call)
        first = True
        async for frame in call:
            progress.received(frame)
            if first:
                first = False
                self._keeper.wake()  # its patience is another now
            yield frame
            if self._saver is not None:
                self._saver.check()
            progress.processed(frame)
            if self.ending:
                return

    async def _retreat(self, retreat: Retreat | None) -> bool:
        """Wait before the next connection; false if there is to be none."""
        if retreat is None:
            return False
        if retreat.fresh:
            await _close(self._link.renew())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closing.wait(), retreat.delay)
        return True


class Saver:
    """Writes the newest cursor to a store, within an interval of its change and at the end."""

    def __init__(self, store: AsyncCursorStore | CursorStore, saving: Saving) -> None:
        self._store = store
        self._saving = saving
        self._task: asyncio.Task[None] | None = None
        self._saves = asyncio.Lock()

    async def start(self) -> None:
        """Begin where the store says, and save from then on."""
        self._saving.loaded(await _call(self._store.load))
        self._task = asyncio.create_task(self._run())

    def check(self) -> None:
        """Raise what saving raised."""
        if self._saving.error is not None:
            raise self._saving.error

    async def flush(self) -> None:
        """End the task, save what is pending, and raise what saving raised."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.save()
        self.check()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._saving.left())
            self._saving.begin()
            await asyncio.shield(asyncio.ensure_future(self.save()))

    async def save(self) -> None:
        """Save what is pending. What that raises is for `check`."""
        async with self._saves:
            cursor = self._saving.pending()
            if not cursor or self._saving.error is not None:
                return
            try:
                await _call(self._store.save, cursor)
            except Exception as error:
                log.exception("the cursor could not be saved")
                self._saving.error = error
            else:
                self._saving.saved(cursor)


async def _call(method: Callable[..., object], *args: str) -> str | None:
    """Call a store's method, in a thread unless it is a coroutine function."""
    if inspect.iscoroutinefunction(method):
        result = await method(*args)
    else:
        result = await asyncio.to_thread(method, *args)
    return cast("str | None", result)


class _Keeper:
    """A timer that cancels a silent call."""

    def __init__(self, watch: Watch) -> None:
        self.silent = False
        self._watch = watch
        self._call: Stream[SubscribeResponse] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def guard(self, call: Stream[SubscribeResponse]) -> None:
        """Watch over a new connection's call."""
        self.silent = False
        self._call = call
        self.wake()

    def wake(self) -> None:
        """Look at the time anew."""
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self._watch.look_again(), self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._watch.left() > 0:
            self.wake()
        elif self._call is not None:
            self._watch.rest()
            self.silent = True
            self._call.cancel()


async def events(loop: Loop, progress: Progress) -> AsyncGenerator[Event | Gap, None]:
    """Yield the loop's events, and its gaps in their place."""
    async with contextlib.aclosing(loop.frames()) as frames:
        async for frame in frames:
            for delivery in frame.deliveries:
                event = delivery.event
                yield event
                progress.done = event
                if loop.ending:
                    loop.check_closed()
                    return
            if frame.HasField("gap"):
                yield frame.gap


async def _close(channel: grpc.aio.Channel | None) -> None:
    if channel is not None:
        await channel.close()
