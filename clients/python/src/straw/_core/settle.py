"""What is sent to the gateway about deliveries, when, and what its answers mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from straw._core.backoff import jitter
from straw._core.held import Held
from straw._core.progress import log
from straw.delivery import Ack, Delivery, Nack, Settlement, Status
from straw.errors import StrawError
from straw.v1.subscription_service_pb2 import AcknowledgeRequest, AckResult, ExtendDeadlineRequest, NackRequest

S = TypeVar("S", bound=Settlement)

MOST = 1000
"""Ids in one call."""

GATHER = 0.010
"""Seconds that a settlement waits for others at most."""

CALL_TIMEOUT = 5.0
"""Seconds after which a call that isn't answered is repeated."""

_MAX_REASON = 1024


@dataclass(frozen=True)
class Batch(Generic[S]):
    """One call: settlements that share an action, or deliveries whose deadlines are extended."""

    request: AcknowledgeRequest | NackRequest | ExtendDeadlineRequest
    settlements: Sequence[S] = ()
    extended: Sequence[Delivery[S]] = ()


@dataclass(frozen=True)
class Outcome(Generic[S]):
    """What a call came to: settlements that are done, and deliveries that are to be worked on."""

    done: Sequence[S]
    again: Sequence[Delivery[S]] = ()


class Settler(Generic[S]):
    """Gathers settlements into calls, of which one is made at a time. Not for two threads at once.

    Args:
        subscription: The durable subscription's id.
        held: What the consumer has in its hands.
        concurrency: How many handlers work at once.
        make: Makes a settlement.
    """

    def __init__(
        self, subscription: str, held: Held[S], concurrency: int, make: Callable[[Delivery[S], Ack | Nack], S]
    ) -> None:
        self._subscription = subscription
        self._make = make
        self.max_outstanding = min(2 * concurrency, MOST)
        self._enough = max(1, self.max_outstanding // 2)
        self._waiting: dict[Ack | Nack, list[S]] = {}  # by action, the longest waiting first
        self._since: dict[Ack | Nack, float] = {}
        self._pending = 0
        self._sent: Batch[S] | None = None  # without an answer
        self._failures = 0
        self._retry_at = 0.0
        self.hurry = False
        """Whether to gather no longer."""
        self.held = held

    @property
    def idle(self) -> bool:
        """Whether every settlement is answered."""
        return self._pending == 0

    def add(self, delivery: Delivery[S], action: Ack | Nack) -> S:
        """Settle a delivery. Once it is settled, return the settlement that counts."""
        if delivery.settlement is not None:
            return delivery.settlement
        settlement = self._make(delivery, action)
        delivery.settlement = settlement
        self.held.settled(delivery)
        self._pending += 1
        self._queue(settlement)
        return settlement

    def _queue(self, settlement: S) -> None:
        action = settlement.action
        waiting = self._waiting.get(action)
        if waiting is None:
            self._waiting[action] = [settlement]
            self._since[action] = time.monotonic()
        else:
            waiting.append(settlement)

    def wakes(self) -> bool:
        """Tell whether the settlement that was just added may have made a call due earlier."""
        return self._sent is None and (self._pending == 1 or self._complete())

    def _complete(self) -> bool:
        # Waiting for more makes no sense when little or nothing more can come before this is answered.
        return self.hurry or self._pending >= min(self._enough, len(self.held))

    def due(self) -> float | None:
        """Return the seconds until there is a call to make; None if there is nothing to say."""
        now = time.monotonic()
        if self._sent is not None:
            return max(0.0, self._retry_at - now)
        times = []
        if (extension := self.held.next_extension()) is not None:
            times.append(extension)
        if self._waiting:
            if self._complete():
                return 0.0
            times.append(next(iter(self._since.values())) + GATHER)
        return max(0.0, min(times) - now) if times else None

    def take(self) -> Batch[S] | None:
        """Return the call to make, once it is due; answer it with `answered` or `failed`."""
        if self._sent is None:
            self._sent = self._extension() or self._settlements()
        return self._sent

    def _extension(self) -> Batch[S] | None:
        due = self.held.to_extend(MOST)
        if not due:
            return None
        ids = [delivery.ack_id for delivery in due]
        return Batch(ExtendDeadlineRequest(subscription_id=self._subscription, ack_ids=ids), extended=due)

    def _settlements(self) -> Batch[S] | None:
        action = next(iter(self._waiting), None)
        if action is None:
            return None
        waiting = self._waiting.pop(action)
        since = self._since.pop(action)
        if len(waiting) > MOST:
            self._waiting[action], self._since[action] = waiting[MOST:], since
        batch = waiting[:MOST]
        for settlement in batch:
            self.held.sent(settlement.delivery)
        ids = [settlement.delivery.ack_id for settlement in batch]
        return Batch(_request(self._subscription, action, ids), settlements=batch)

    def answered(self, batch: Batch[S], results: Sequence[AckResult]) -> Outcome[S]:
        """Note the gateway's answer to a call."""
        self._sent, self._failures = None, 0
        statuses = [Status.of(result.status) for result in results]
        for delivery, status in zip(batch.extended, statuses, strict=False):
            if status is not Status.ACKED:
                log.debug("event %s: its deadline wasn't extended: %s", delivery.event.id, status.value)
                self.held.not_extended(delivery)
        done: list[S] = []
        again: list[Delivery[S]] = []
        for settlement, status in zip(batch.settlements, statuses, strict=False):
            self._answer(settlement, status, done, again)
        return Outcome(done, again)

    def _answer(self, settlement: S, status: Status, done: list[S], again: list[Delivery[S]]) -> None:
        delivery: Delivery[S] = settlement.delivery
        nack = isinstance(settlement.action, Nack)
        if nack and status is Status.STALE and self.held.renewed(delivery):
            self._queue(settlement)  # it was meant for the event, whichever sending is the latest
            return
        settlement.status = status
        if not settlement.succeeded():
            log.warning("event %s: %s was answered %s", delivery.event.id, "nack" if nack else "ack", status.value)
        self._pending -= 1
        done.append(settlement)
        if anew := self.held.gone(delivery, owed=nack or not settlement.succeeded()):
            again.append(anew)

    def failed(self, batch: Batch[S], error: StrawError) -> Outcome[S]:
        """Note that a call failed: it is repeated with backoff. Raise what repeating can't help."""
        if not error.retryable and error.reason not in {"RATE_LIMITED", "TOO_MANY_STREAMS"}:
            raise error
        self._failures += 1
        delay = jitter(self._failures)
        log.info("%s failed and is repeated in %.2f s: %s", type(batch.request).__name__, delay, error)
        if batch.extended:
            self._sent = None  # these come again anyway
        self._retry_at = time.monotonic() + delay
        return Outcome(())

    def retry_now(self) -> None:
        """Repeat a failed call at once: the gateway can be reached again."""
        self._retry_at = 0.0

    def abandon(self) -> Outcome[S]:
        """Give up on every settlement without an answer."""
        left = [s for waiting in self._waiting.values() for s in waiting]
        if self._sent is not None:
            left.extend(self._sent.settlements)
        self._sent, self._pending = None, 0
        self._waiting.clear()
        self._since.clear()
        for settlement in left:
            settlement.error = StrawError(
                grpc.StatusCode.CANCELLED, "the consumer ended before the gateway had answered; the event may come again"
            )
        return Outcome(left)


def _request(subscription: str, action: Ack | Nack, ids: list[str]) -> AcknowledgeRequest | NackRequest:
    if isinstance(action, Ack):
        return AcknowledgeRequest(subscription_id=subscription, ack_ids=ids)
    reason = action.reason.encode()[:_MAX_REASON].decode(errors="ignore")
    request = NackRequest(subscription_id=subscription, ack_ids=ids, reason=reason)
    if action.retry_delay is not None:
        request.retry_delay.FromNanoseconds(round(action.retry_delay * 1e9))
    elif action.dead_letter:
        request.dead_letter = True
    elif action.release:
        request.release = True
    return request
