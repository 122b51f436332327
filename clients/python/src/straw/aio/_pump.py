"""The two tasks of a durable consumer: one reads its deliveries, the other sends what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Generator

import grpc.aio

from straw._core.durable import ConsumePlan
from straw._core.held import Held
from straw._core.link import Link, Streams
from straw._core.progress import Progress, call_hook, log
from straw._core.settle import CALL_TIMEOUT, Batch, Outcome, Settler
from straw.aio._stubs import Stubs
from straw.aio._subscribe import Closable, Loop
from straw.delivery import Ack, Delivery, Nack, Settlement, Status
from straw.errors import StrawError
from straw.v1.subscription_service_pb2 import AcknowledgeRequest, AckResult, GetSubscriptionRequest, NackRequest


class Confirmation(Settlement):
    """A settlement that can be awaited: for the gateway's status, or the StrawError that there won't be one."""

    __slots__ = ("_waiter",)

    def __init__(self, delivery: Delivery[Confirmation], action: Ack | Nack) -> None:
        super().__init__(delivery, action)
        self._waiter: asyncio.Future[None] | None = None

    def __await__(self) -> Generator[object, None, Status]:
        if not self.done():
            if self._waiter is None:
                self._waiter = asyncio.get_running_loop().create_future()
            yield from asyncio.shield(self._waiter).__await__()
        return self.outcome()

    def answered(self) -> None:
        """Wake those who wait."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pump:
    """Hands over deliveries as they come, and settles them in batches.

    Args:
        deliver: Takes each delivery.
        fail: Told once why the pump can't go on.
    """

    def __init__(
        self,
        link: Link[grpc.aio.Channel, Stubs],
        subscription: str,
        plan: ConsumePlan,
        deliver: Callable[[Delivery[Confirmation]], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._link = link
        self._subscription = subscription
        self._hooks = plan.hooks
        self._deliver = deliver
        self._fail = fail
        self._held: Held[Confirmation] = Held(self._settle)
        self._settler = Settler(subscription, self._held, plan.concurrency, Confirmation)
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._all_settled = asyncio.Event()
        self._all_settled.set()
        self._begun = 0
        self._given_back: set[Delivery[Confirmation]] = set()
        self._ending = False
        self._at_rest = False
        progress = Progress(plan.request(subscription, self._settler.max_outstanding), plan.hooks)
        streams: Streams[Closable] = Streams()  # the consumer ends the pump, once it is drained
        self._loop = Loop(link, streams, progress, before_connect=self._before_connect)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start both tasks."""
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._send())]

    def begin(self) -> None:
        """Note that a delivery is being worked on, until it is settled."""
        self._begun += 1
        self._all_settled.clear()

    async def wait_settled(self, deadline: float) -> None:
        """Wait until what was begun is settled, until a monotonic time at most."""
        await _wait(self._all_settled, deadline)

    def give_back(self, deliveries: list[Delivery[Confirmation]]) -> None:
        """Release what was not begun. That isn't the program's doing, and no hook is told."""
        self._given_back.update(deliveries)
        for delivery in deliveries:
            self.begin()
            delivery.nack(release=True)

    async def end(self, deadline: float) -> None:
        """Wait until every settlement is answered, until a monotonic time at most; then end both tasks."""
        self._settler.hurry = True
        self._work.set()
        await _wait(self._idle, deadline)
        self._ending = True
        self._report(self._settler.abandon())
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def _settle(self, delivery: Delivery[Confirmation], action: Ack | Nack) -> Confirmation:
        if delivery.settlement is not None:
            return delivery.settlement
        confirmation = self._settler.add(delivery, action)
        if self._ending:
            self._settler.abandon()
            return confirmation
        self._idle.clear()
        self._begun -= 1
        if self._begun == 0:
            self._all_settled.set()
        if self._settler.wakes():
            self._work.set()
        return confirmation

    async def _before_connect(self) -> None:
        """Learn the deadline, and have answered what is settled, or it would be sent again."""
        request = GetSubscriptionRequest(id=self._subscription)
        subscription = await self._link.stubs.subscriptions.GetSubscription(request, timeout=CALL_TIMEOUT)
        self._held.ack_deadline = subscription.ack_deadline.ToTimedelta().total_seconds()
        self._settler.retry_now()
        self._work.set()
        await _wait(self._idle, time.monotonic() + CALL_TIMEOUT)

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self._loop.frames()) as frames:
                async for frame in frames:
                    if frame.HasField("gap"):
                        log.warning("retention has removed events that subscription %s was still owed", self._subscription)
                    for message in frame.deliveries:
                        if (delivery := self._held.arrived(message)) is not None:
                            self._deliver(delivery)
                    if self._at_rest and frame.deliveries:
                        self._work.set()  # there are deadlines now
        except Exception as error:
            self._fail(error)

    async def _send(self) -> None:
        try:
            while True:
                await self._exchange(await self._next_call())
        except Exception as error:
            self._fail(error)

    async def _next_call(self) -> Batch[Confirmation]:
        """Wait until there is a call to make."""
        while True:
            self._work.clear()
            due = self._settler.due()
            if due is None:
                self._at_rest = True
                await self._work.wait()
                self._at_rest = False
            elif due > 0:
                await _wait(self._work, time.monotonic() + due)
            elif (batch := self._settler.take()) is not None:
                return batch

    async def _exchange(self, batch: Batch[Confirmation]) -> None:
        try:
            outcome = self._settler.answered(batch, await self._call(batch))
        except StrawError as error:
            try:
                outcome = self._settler.failed(batch, error)
            except StrawError as final:
                outcome = self._settler.abandon()
                self._fail(final)
        self._report(outcome)

    def _report(self, outcome: Outcome[Confirmation]) -> None:
        for confirmation in outcome.done:
            confirmation.answered()
            if confirmation.delivery not in self._given_back:
                call_hook(self._hooks.settled if self._hooks else None, confirmation)
        for delivery in outcome.again:
            self._deliver(delivery)
        if self._settler.idle:
            self._idle.set()

    async def _call(self, batch: Batch[Confirmation]) -> list[AckResult]:
        stub = self._link.stubs.subscriptions
        request = batch.request
        if isinstance(request, AcknowledgeRequest):
            return list((await stub.Acknowledge(request, timeout=CALL_TIMEOUT)).results)
        if isinstance(request, NackRequest):
            return list((await stub.Nack(request, timeout=CALL_TIMEOUT)).results)
        return list((await stub.ExtendDeadline(request, timeout=CALL_TIMEOUT)).results)


async def _wait(event: asyncio.Event, deadline: float) -> None:
    """Wait for an event until a monotonic time at most."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), max(0.0, deadline - time.monotonic()))
