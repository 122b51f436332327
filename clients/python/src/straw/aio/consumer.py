"""The asyncio consumer of a durable subscription."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TypeAlias

import grpc.aio

from straw._core.durable import ConsumePlan, failure_reason
from straw._core.link import Link, Streams
from straw._core.progress import log
from straw.aio._pump import Confirmation, Pump
from straw.aio._stubs import Stubs
from straw.aio._subscribe import Closable
from straw.delivery import Delivery

Handler: TypeAlias = Callable[[Delivery[Confirmation]], Awaitable[object]]
"""Works on a delivery. When it returns, the delivery is acknowledged, unless the handler settled it; when it raises, it is
given back with the exception's text as the reason."""

_ANSWER_TIME = 5.0
"""Seconds that the last settlements get to be answered, although the drain's time is over."""


class Consumer:
    """Consumes a durable subscription: by `run`, which calls a handler, or by iterating over deliveries.

    It reconnects by itself, acknowledges in batches, and extends the deadlines of what is in its hands. It ends by `stop` or
    `close`, by its loop being left, by cancellation, or with the error that a retry can't help: then it takes no more, lets
    what was begun end, waits for the gateway's last answers, and gives back what wasn't begun. Used once, in one event loop.
    """

    def __init__(
        self, link: Link[grpc.aio.Channel, Stubs], streams: Streams[Closable], subscription: str, plan: ConsumePlan
    ) -> None:
        self._streams = streams
        self._plan = plan
        self._inbox: asyncio.Queue[Delivery[Confirmation] | None] = asyncio.Queue()
        self._stopping = asyncio.Event()
        self._error: Exception | None = None
        self._not_begun: list[Delivery[Confirmation]] = []
        self._pump = Pump(link, subscription, plan, self._inbox.put_nowait, self._failed)
        self._items: AsyncGenerator[Delivery[Confirmation], None] | None = None
        self._finished = asyncio.Event()
        self._started = False

    async def __aenter__(self) -> Consumer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Delivery[Confirmation]]:
        """Yield deliveries. Settle each, in any task; one with which the loop is left is given back."""
        if self._items is None:
            self._items = self._deliveries()
        return self._items

    def stop(self) -> None:
        """Take no more, and return at once: `run` or the loop drains and ends."""
        self._stopping.set()
        self._inbox.put_nowait(None)

    async def close(self) -> None:
        """Stop, and wait until everything is drained. Not from a handler. Idempotent."""
        self.stop()
        if self._items is not None:
            with contextlib.suppress(RuntimeError):  # another task is in the loop, which drains
                await self._items.aclose()
        if self._started:
            await self._finished.wait()

    async def run(self, handler: Handler) -> None:
        """Call a handler with each delivery, `concurrency` at a time, until stopped. When it is cancelled, it drains first.

        Raises:
            StrawError: What a retry can't help, such as SUBSCRIPTION_NOT_FOUND; after draining.
        """
        self._start()
        workers = [asyncio.create_task(self._work(handler)) for _ in range(self._plan.concurrency)]
        try:
            await self._stopping.wait()
        finally:
            self._stopping.set()
            for _ in workers:
                self._inbox.put_nowait(None)
            deadline = time.monotonic() + self._plan.drain_timeout
            _, late = await asyncio.wait(workers, timeout=self._plan.drain_timeout)
            for worker in late:
                worker.cancel()
            await self._finish(deadline)
        if self._error is not None:
            raise self._error

    async def _deliveries(self) -> AsyncGenerator[Delivery[Confirmation], None]:
        left: list[Delivery[Confirmation]] = []
        self._start()
        try:
            while (delivery := await self._next()) is not None:
                left = [delivery]
                yield delivery
                left = []
        finally:
            self._stopping.set()
            deadline = time.monotonic() + self._plan.drain_timeout
            for delivery in left:
                delivery.nack(release=True)
            await self._pump.wait_settled(deadline)
            await self._finish(deadline)
        if self._error is not None:
            raise self._error

    def _start(self) -> None:
        if self._started:
            raise RuntimeError("straw: a consumer is used once; make another with client.consume")
        self._started = True
        self._streams.add(self, self.stop)
        self._pump.start()

    async def _next(self) -> Delivery[Confirmation] | None:
        """Wait for a delivery and begin it; None once the consumer ends."""
        delivery = await self._inbox.get()
        if delivery is None:
            return None
        if self._stopping.is_set():
            self._not_begun.append(delivery)
            return None
        self._pump.begin()
        return delivery

    async def _work(self, handler: Handler) -> None:
        while (delivery := await self._next()) is not None:
            await _handle(handler, delivery)

    def _failed(self, error: Exception) -> None:
        self._error = error
        self.stop()

    async def _finish(self, deadline: float) -> None:
        """Give back what wasn't begun, have the last answers, and end."""
        self._streams.discard(self)
        while not self._inbox.empty():
            delivery = self._inbox.get_nowait()
            if delivery is not None:
                self._not_begun.append(delivery)
        self._pump.give_back(self._not_begun)
        await self._pump.end(max(deadline, time.monotonic() + _ANSWER_TIME))
        self._finished.set()


async def _handle(handler: Handler, delivery: Delivery[Confirmation]) -> None:
    try:
        await handler(delivery)
    except Exception as error:
        log.warning("the handler failed on event %s", delivery.event.id, exc_info=True)
        delivery.nack(failure_reason(error))
    else:
        delivery.ack()
