"""The two threads of a durable consumer: one reads its deliveries, the other sends what became of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import grpc

from straw._core.durable import ConsumePlan
from straw._core.held import Held
from straw._core.link import Link, Streams
from straw._core.progress import Progress, call_hook, log
from straw._core.settle import CALL_TIMEOUT, Batch, Outcome, Settler
from straw._stubs import Stubs
from straw._subscribe import Closable, Loop
from straw.delivery import Ack, Delivery, Nack, Settlement, Status
from straw.errors import StrawError
from straw.v1.subscription_service_pb2 import AcknowledgeRequest, AckResult, GetSubscriptionRequest, NackRequest

_LINGER = 1.0
"""Seconds to wait for a call whose answer is of no interest any more; it ends by itself."""


class Confirmation(Settlement):
    """A settlement whose outcome can be waited for, in any thread."""

    __slots__ = ("_answers",)

    def __init__(self, delivery: Delivery[Confirmation], action: Ack | Nack, answers: threading.Condition) -> None:
        super().__init__(delivery, action)
        self._answers = answers

    def result(self, timeout: float | None = None) -> Status:
        """Wait for the gateway's answer, for so many seconds at most.

        Raises:
            StrawError: The consumer ended before the gateway had answered.
            TimeoutError: The time is over.
        """
        with self._answers:
            if not self._answers.wait_for(self.done, timeout):
                raise TimeoutError(f"no answer about event {self.delivery.event.id} within {timeout} s")
        return self.outcome()


class Pump:
    """Hands over deliveries as they come, and settles them in batches.

    Args:
        deliver: Takes each delivery; called in the pump's threads.
        fail: Told once why the pump can't go on.
    """

    def __init__(
        self,
        link: Link[grpc.Channel, Stubs],
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
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._answers = threading.Condition(self._lock)
        self._held: Held[Confirmation] = Held(self._settle)
        self._settler = Settler(
            subscription, self._held, plan.concurrency, lambda d, action: Confirmation(d, action, self._answers)
        )
        self._begun = 0
        self._given_back: set[Delivery[Confirmation]] = set()
        self._ending = False
        self._at_rest = False
        progress = Progress(plan.request(subscription, self._settler.max_outstanding), plan.hooks)
        streams: Streams[Closable] = Streams()  # the consumer ends the pump, once it is drained
        self._loop = Loop(link, streams, progress, before_connect=self._before_connect)
        self._reader = threading.Thread(target=self._read, name="straw-reader", daemon=True)
        self._sender = threading.Thread(target=self._send, name="straw-settler", daemon=True)

    def start(self) -> None:
        """Start both threads."""
        self._reader.start()
        self._sender.start()

    def begin(self) -> None:
        """Note that a delivery is being worked on, until it is settled."""
        with self._lock:
            self._begun += 1

    def wait_settled(self, deadline: float) -> None:
        """Wait until what was begun is settled, until a monotonic time at most."""
        with self._lock:
            self._answers.wait_for(lambda: self._begun <= 0, max(0.0, deadline - time.monotonic()))

    def give_back(self, deliveries: list[Delivery[Confirmation]]) -> None:
        """Release what was not begun. That isn't the program's doing, and no hook is told."""
        self._given_back.update(deliveries)
        with self._lock:
            self._begun += len(deliveries)
        for delivery in deliveries:
            delivery.nack(release=True)

    def end(self, deadline: float) -> None:
        """Wait until every settlement is answered, until a monotonic time at most; then end both threads."""
        with self._lock:
            self._settler.hurry = True
            self._work.notify()
            self._answers.wait_for(lambda: self._settler.idle, max(0.0, deadline - time.monotonic()))
            self._ending = True
            outcome = self._settler.abandon()
            self._work.notify_all()
            self._answers.notify_all()
        self._report(outcome)
        self._loop.close()
        self._reader.join()
        self._sender.join(_LINGER)

    def _settle(self, delivery: Delivery[Confirmation], action: Ack | Nack) -> Confirmation:
        with self._lock:
            if delivery.settlement is not None:
                return delivery.settlement
            confirmation = self._settler.add(delivery, action)
            if self._ending:
                self._settler.abandon()
                return confirmation
            self._begun -= 1
            if self._begun == 0:
                self._answers.notify_all()
            if self._settler.wakes():
                self._work.notify()
            return confirmation

    def _before_connect(self) -> None:
        """Learn the deadline, and have answered what is settled, or it would be sent again."""
        request = GetSubscriptionRequest(id=self._subscription)
        subscription = self._link.stubs.subscriptions.GetSubscription(request, timeout=CALL_TIMEOUT)
        with self._lock:
            self._held.ack_deadline = subscription.ack_deadline.ToTimedelta().total_seconds()
            self._settler.retry_now()
            self._work.notify()
            self._answers.wait_for(lambda: self._settler.idle or self._ending, CALL_TIMEOUT)

    def _read(self) -> None:
        try:
            for frame in self._loop.frames():
                if frame.HasField("gap"):
                    log.warning("retention has removed events that subscription %s was still owed", self._subscription)
                if frame.deliveries:
                    with self._lock:
                        arrived = [self._held.arrived(message) for message in frame.deliveries]
                        if self._at_rest:
                            self._work.notify()  # there are deadlines now
                    for delivery in arrived:
                        if delivery is not None:
                            self._deliver(delivery)
        except Exception as error:
            self._fail(error)

    def _send(self) -> None:
        try:
            while (batch := self._next_call()) is not None:
                self._exchange(batch)
        except Exception as error:
            self._fail(error)

    def _next_call(self) -> Batch[Confirmation] | None:
        """Wait until there is a call to make; None at the end."""
        with self._lock:
            while not self._ending:
                due = self._settler.due()
                if due != 0:
                    self._at_rest = due is None
                    self._work.wait(due)
                elif (batch := self._settler.take()) is not None:
                    return batch
        return None

    def _exchange(self, batch: Batch[Confirmation]) -> None:
        error: StrawError | None = None
        outcome: Outcome[Confirmation] = Outcome(())
        try:
            results = self._call(batch)
        except StrawError as failure:
            error = failure
        with self._lock:
            if self._ending:
                return
            if error is None:
                outcome = self._settler.answered(batch, results)
            else:
                try:
                    outcome = self._settler.failed(batch, error)
                except StrawError as final:
                    outcome = self._settler.abandon()
                    self._fail(final)
            self._answers.notify_all()
        self._report(outcome)

    def _report(self, outcome: Outcome[Confirmation]) -> None:
        for confirmation in outcome.done:
            if confirmation.delivery not in self._given_back:
                call_hook(self._hooks.settled if self._hooks else None, confirmation)
        for delivery in outcome.again:
            self._deliver(delivery)

    def _call(self, batch: Batch[Confirmation]) -> list[AckResult]:
        stub = self._link.stubs.subscriptions
        request = batch.request
        if isinstance(request, AcknowledgeRequest):
            return list(stub.Acknowledge(request, timeout=CALL_TIMEOUT).results)
        if isinstance(request, NackRequest):
            return list(stub.Nack(request, timeout=CALL_TIMEOUT).results)
        return list(stub.ExtendDeadline(request, timeout=CALL_TIMEOUT).results)
