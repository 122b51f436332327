"""Consuming with either client, in either form, so that one test says what all four do."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from reading import LONG

import straw
import straw.aio
from straw.v1.subscription_service_pb2 import (
    CreateSubscriptionRequest,
    DeadLetter,
    GetSubscriptionRequest,
    ListDeadLettersRequest,
    Subscription,
)

Handle = Callable[[Any], "Awaitable[None] | None"]
"""Works on a delivery, or fails. May return an awaitable to the asyncio forms."""


class Consume(Protocol):
    """Consumes until `until` settlements are confirmed."""

    def __call__(self, address: str, handle: Handle, until: int, **options: Any) -> list[straw.Settlement]: ...


class Confirmed:
    """Gathers the confirmed settlements, and stops the consumer once there are enough.

    The option `stopped` is called when the consumer was told to stop.
    """

    def __init__(self, until: int, options: dict[str, Any]) -> None:
        self.settlements: list[straw.Settlement] = []
        self.stop: Callable[[], None] = lambda: None
        self._stopped: Callable[[], None] = options.pop("stopped", lambda: None)
        self.options = options | {"hooks": straw.Hooks(settled=self._settled, **options.pop("hook", {}))}
        self._until = until

    def _settled(self, settlement: straw.Settlement) -> None:
        self.settlements.append(settlement)
        if len(self.settlements) == self._until:
            self.stop()
            self._stopped()


def blocking_handler(address: str, handle: Handle, until: int, **options: Any) -> list[straw.Settlement]:
    confirmed = Confirmed(until, options)
    with straw.Client(address) as client:
        consumer = client.consume("crm", **confirmed.options)
        confirmed.stop = consumer.stop
        consumer.run(handle)
    return confirmed.settlements


def blocking_iterator(address: str, handle: Handle, until: int, **options: Any) -> list[straw.Settlement]:
    confirmed = Confirmed(until, options)
    with straw.Client(address) as client, client.consume("crm", **confirmed.options) as consumer:
        confirmed.stop = consumer.stop
        for delivery in consumer:
            try:
                handle(delivery)
            except Exception as error:
                delivery.nack(str(error))
            else:
                delivery.ack()
    return confirmed.settlements


def async_handler(address: str, handle: Handle, until: int, **options: Any) -> list[straw.Settlement]:
    confirmed = Confirmed(until, options)

    async def work(delivery: straw.Delivery[straw.aio.Confirmation]) -> None:
        result = handle(delivery)
        if inspect.isawaitable(result):
            await result

    async def consume() -> None:
        async with straw.aio.Client(address) as client:
            consumer = client.consume("crm", **confirmed.options)
            confirmed.stop = consumer.stop
            await consumer.run(work)

    asyncio.run(asyncio.wait_for(consume(), LONG))
    return confirmed.settlements


def async_iterator(address: str, handle: Handle, until: int, **options: Any) -> list[straw.Settlement]:
    confirmed = Confirmed(until, options)

    async def consume() -> None:
        async with straw.aio.Client(address) as client, client.consume("crm", **confirmed.options) as consumer:
            confirmed.stop = consumer.stop
            async for delivery in consumer:
                try:
                    handle(delivery)
                except Exception as error:
                    delivery.nack(str(error))
                else:
                    delivery.ack()

    asyncio.run(asyncio.wait_for(consume(), LONG))
    return confirmed.settlements


HANDLERS = [blocking_handler, async_handler]
FORMS = [*HANDLERS, blocking_iterator, async_iterator]


class Room:
    """Where handlers wait together, in threads or in tasks, until the door is opened.

    When so many are in there that it is full, `on_full` is called.
    """

    def __init__(self, full: int = 0, on_full: Callable[[], None] = lambda: None) -> None:
        self._full = full
        self._on_full = on_full
        self.inside = 0
        self.most = 0
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def enter(self) -> Awaitable[None] | None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == self._full:
                self._on_full()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            assert self._opened.wait(LONG)
            self._leave()
            return None
        return self._wait(loop)

    def open(self) -> None:
        self._opened.set()
        for loop, event in self._tasks:
            loop.call_soon_threadsafe(event.set)

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        event = asyncio.Event()
        self._tasks.append((loop, event))
        if not self._opened.is_set():  # nor before it was listed, or it might be overlooked
            await event.wait()
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self.inside -= 1


def create(address: str, **definition: Any) -> None:
    """Create the subscription `crm`, from the earliest event."""
    seconds = definition.pop("ack_deadline", 30)
    subscription = Subscription(id="crm", start_position="EARLIEST", **definition)
    subscription.ack_deadline.seconds = seconds
    subscription.retry_backoff.min.FromMilliseconds(1)
    with straw.Client(address) as client:
        client.subscriptions.CreateSubscription(CreateSubscriptionRequest(subscription=subscription))


def look(address: str) -> Subscription:
    with straw.Client(address) as client:
        return client.subscriptions.GetSubscription(GetSubscriptionRequest(id="crm"))


def dead_letters(address: str) -> list[DeadLetter]:
    with straw.Client(address) as client:
        return list(client.subscriptions.ListDeadLetters(ListDeadLettersRequest(subscription_id="crm")).dead_letters)
