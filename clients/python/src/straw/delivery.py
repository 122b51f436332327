"""What a durable consumer gets, and what it does with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from straw.errors import StrawError
from straw.events import Event, Payload, payload
from straw.v1.subscription_service_pb2 import AckResult


class Status(str, Enum):
    """What became of an acknowledgement or nack, as the gateway says."""

    ACKED = "ACKED"
    """Done, durably. For an acknowledgement: the event is settled, even if this came late."""
    ALREADY_ACKED = "ALREADY_ACKED"
    """The event is no longer owed: acknowledged or dead-lettered before, or sought past."""
    STALE = "STALE"
    """It predates a seek, or, for a nack, the event was sent again since."""
    INVALID = "INVALID"
    """The delivery is none of this subscription's; or the gateway says something that is newer than this client."""

    @classmethod
    def of(cls, status: AckResult.Status) -> Status:
        """Return the status of the API's answer."""
        return _STATUSES.get(status, cls.INVALID)


_STATUSES = {AckResult.Status.Value(status.value): status for status in Status}


@dataclass(frozen=True)
class Ack:
    """The event is dealt with."""


@dataclass(frozen=True)
class Nack:
    """The event is given back. At most one of `retry_delay` (seconds), `dead_letter` and `release` is set."""

    reason: str = ""
    retry_delay: float | None = None
    dead_letter: bool = False
    release: bool = False

    def __post_init__(self) -> None:
        if (self.retry_delay is not None) + self.dead_letter + self.release > 1:
            raise ValueError("straw: a nack has one of retry_delay, dead_letter and release")


class Settlement:
    """An acknowledgement or nack on its way to the gateway, and then what became of it.

    Attributes:
        delivery: What is settled.
        action: How.
        status: What the gateway says became of it; None before it has answered.
        error: Why it never will: the consumer ended before. The event may come again.
    """

    __slots__ = ("action", "delivery", "error", "status")

    def __init__(self, delivery: Delivery[Any], action: Ack | Nack) -> None:
        self.delivery = delivery
        self.action = action
        self.status: Status | None = None
        self.error: StrawError | None = None

    def done(self) -> bool:
        """Whether the gateway has answered, or never will."""
        return self.status is not None or self.error is not None

    def outcome(self) -> Status:
        """Return the status of a settlement that is done, or raise its error."""
        if self.error is not None:
            raise self.error
        if self.status is None:
            raise RuntimeError("straw: the gateway has not answered yet")
        return self.status

    def succeeded(self) -> bool:
        """Whether the event is off this consumer's hands."""
        return self.status in (Status.ACKED, Status.ALREADY_ACKED)


Settled = TypeVar("Settled", bound=Settlement)


class Delivery(Generic[Settled]):
    """An event on its way through a consumer.

    Settle each with `ack` or `nack`, from any thread; the first call counts, and later ones return the same settlement.
    Until then its deadline is extended.

    Attributes:
        event: The event.
        attempt: Which sending of it this is, from 1. After a crash of the gateway it may be too low, never too high.
        ack_id: What the gateway calls this delivery.
        settlement: What `ack` or `nack` returned; None before.
    """

    __slots__ = ("_settle", "ack_id", "attempt", "event", "settlement")

    def __init__(
        self, event: Event, ack_id: str, attempt: int, settle: Callable[[Delivery[Settled], Ack | Nack], Settled]
    ) -> None:
        self.event = event
        self.ack_id = ack_id
        self.attempt = attempt
        self.settlement: Settled | None = None
        self._settle = settle

    @property
    def payload(self) -> Payload | None:
        """What the event says; see `straw.payload`."""
        return payload(self.event)

    def ack(self) -> Settled:
        """Acknowledge: the event is dealt with. Returns at once; the result is the gateway's confirmation."""
        return self._settle(self, _ACK)

    def nack(
        self,
        reason: str = "",
        *,
        retry_delay: float | None = None,
        dead_letter: bool = False,
        release: bool = False,
    ) -> Settled:
        """Give the event back. Returns at once, like `ack`.

        Args:
            reason: Why, for people; kept with a dead letter.
            retry_delay: It failed; send it again after so many seconds instead of by the subscription's backoff.
            dead_letter: It failed for good; dead-letter it now.
            release: It didn't fail; send it again at once, to any consumer.
        """
        return self._settle(self, Nack(reason, retry_delay, dead_letter, release))


_ACK = Ack()
