"""The blocking consumer of a durable subscription."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import TypeAlias, TypeVar

import grpc

from straw._core.durable import ConsumePlan, failure_reason
from straw._core.link import Link, Streams
from straw._core.progress import log
from straw._pump import Confirmation, Pump
from straw._stubs import Stubs
from straw._subscribe import Closable
from straw.delivery import Delivery

Handler: TypeAlias = Callable[[Delivery[Confirmation]], object]
"""Works on a delivery. When it returns, the delivery is acknowledged, unless the handler settled it; when it raises, it is
given back with the exception's text as the reason."""

_ANSWER_TIME = 5.0
"""Seconds that the last settlements get to be answered, although the drain's time is over."""

_SIGNAL_TIME = 0.2
"""Seconds that a signal waits for its handler at most."""


class Consumer:
    """Consumes a durable subscription: by `run`, which calls a handler, or by iterating over deliveries.

    It reconnects by itself, acknowledges in batches, and extends the deadlines of what is in its hands. It ends by `stop` or
    `close`, by its loop being left, or with the error that a retry can't help: then it takes no more, lets what was begun
    end, waits for the gateway's last answers, and gives back what wasn't begun. Used once.
    """

    def __init__(
        self, link: Link[grpc.Channel, Stubs], streams: Streams[Closable], subscription: str, plan: ConsumePlan
    ) -> None:
        self._streams = streams
        self._plan = plan
        # Simple queues and plain attributes only: stop may be called by a signal's handler, in the middle of anything.
        self._inbox: queue.SimpleQueue[Delivery[Confirmation] | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopping = False
        self._error: Exception | None = None
        self._not_begun: list[Delivery[Confirmation]] = []
        self._pump = Pump(link, subscription, plan, self._inbox.put, self._failed)
        self._items: Generator[Delivery[Confirmation], None, None] | None = None
        self._finished = threading.Event()
        self._started = False

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Delivery[Confirmation]]:
        """Yield deliveries. Settle each, in any thread; one with which the loop is left is given back."""
        if self._items is None:
            self._items = self._deliveries()
        return self._items

    def stop(self) -> None:
        """Take no more, and return at once: `run` or the loop drains and ends. From any thread or signal handler."""
        self._stopping = True
        self._ended.put(None)
        self._inbox.put(None)

    def close(self) -> None:
        """Stop, and wait until everything is drained. Not from a handler. Idempotent."""
        self.stop()
        if self._items is not None:
            with contextlib.suppress(ValueError):  # another thread is in the loop, which drains
                self._items.close()
        if self._started:
            self._finished.wait()

    def run(self, handler: Handler) -> None:
        """Call a handler with each delivery, in `concurrency` threads, until stopped.

        Raises:
            StrawError: What a retry can't help, such as SUBSCRIPTION_NOT_FOUND; after draining.
        """
        self._start()
        workers = [
            threading.Thread(target=self._work, args=(handler,), name=f"straw-handler-{n}", daemon=True)
            for n in range(self._plan.concurrency)
        ]
        for worker in workers:
            worker.start()
        try:
            _wait(self._ended)
        finally:
            self._stopping = True
            for _ in workers:
                self._inbox.put(None)
            deadline = time.monotonic() + self._plan.drain_timeout
            for worker in workers:
                worker.join(max(0.0, deadline - time.monotonic()))
            self._finish(deadline)
        if self._error is not None:
            raise self._error

    def _deliveries(self) -> Generator[Delivery[Confirmation], None, None]:
        left: list[Delivery[Confirmation]] = []
        self._start()
        try:
            while (delivery := self._begin(_wait(self._inbox))) is not None:
                left = [delivery]
                yield delivery
                left = []
        finally:
            self._stopping = True
            deadline = time.monotonic() + self._plan.drain_timeout
            for delivery in left:
                delivery.nack(release=True)
            self._pump.wait_settled(deadline)
            self._finish(deadline)
        if self._error is not None:
            raise self._error

    def _start(self) -> None:
        if self._started:
            raise RuntimeError("straw: a consumer is used once; make another with client.consume")
        self._started = True
        self._streams.add(self, self.stop)
        self._pump.start()

    def _begin(self, delivery: Delivery[Confirmation] | None) -> Delivery[Confirmation] | None:
        """Begin a delivery; None once the consumer ends."""
        if delivery is None:
            return None
        if self._stopping:
            self._not_begun.append(delivery)
            return None
        self._pump.begin()
        return delivery

    def _work(self, handler: Handler) -> None:
        while (delivery := self._begin(self._inbox.get())) is not None:
            _handle(handler, delivery)

    def _failed(self, error: Exception) -> None:
        self._error = error
        self.stop()

    def _finish(self, deadline: float) -> None:
        """Give back what wasn't begun, have the last answers, and end."""
        self._streams.discard(self)
        with contextlib.suppress(queue.Empty):
            while True:
                delivery = self._inbox.get_nowait()
                if delivery is not None:
                    self._not_begun.append(delivery)
        self._pump.give_back(self._not_begun)
        self._pump.end(max(deadline, time.monotonic() + _ANSWER_TIME))
        self._finished.set()


_T = TypeVar("_T")


def _wait(items: queue.SimpleQueue[_T]) -> _T:
    """Wait for an item. A signal's handler gets its turn now and then, whichever thread the system gave the signal to."""
    while True:
        with contextlib.suppress(queue.Empty):
            return items.get(timeout=_SIGNAL_TIME)


def _handle(handler: Handler, delivery: Delivery[Confirmation]) -> None:
    try:
        handler(delivery)
    except Exception as error:
        log.warning("the handler failed on event %s", delivery.event.id, exc_info=True)
        delivery.nack(failure_reason(error))
    else:
        delivery.ack()
