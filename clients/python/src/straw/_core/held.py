"""The deliveries that a consumer has in its hands."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from straw.delivery import Ack, Delivery, Nack, Settlement
from straw.v1 import event_service_pb2

S = TypeVar("S", bound=Settlement)


class Held(Generic[S]):
    """Every delivery from its arrival until its settlement is confirmed, one for each event.

    After a lost connection the gateway sends again what was unsettled, while handlers may still be working on it. Such a
    sending renews the delivery that is held, so that no event is worked on twice at once.
    """

    def __init__(self, settle: Callable[[Delivery[S], Ack | Nack], S]) -> None:
        self._settle = settle
        self._deliveries: dict[tuple[str, str], Delivery[S]] = {}  # by source and id
        self._extend_at: dict[Delivery[S], float] = {}  # the earliest first, for the intervals are equal
        self._aside: dict[Delivery[S], event_service_pb2.Delivery] = {}
        self._sent: set[Delivery[S]] = set()
        self.ack_deadline = 30.0

    def __len__(self) -> int:
        return len(self._deliveries)

    def arrived(self, message: event_service_pb2.Delivery) -> Delivery[S] | None:
        """Take a delivery in. Return it if it is one to work on."""
        event = message.event
        key = (event.source, event.id)
        known = self._deliveries.get(key)
        if known is None:
            known = Delivery(event, message.ack_id, message.attempt, self._settle)
            self._deliveries[key] = known
            self._extend_later(known)
            return known
        if known in self._sent:
            # Its settlement is on the way; what that comes to tells whether this is another sending to be worked on.
            self._aside[known] = message
        else:
            known.ack_id, known.attempt = message.ack_id, message.attempt
            if known.settlement is None:
                self._extend_later(known)
        return None

    def settled(self, delivery: Delivery[S]) -> None:
        """Extend a delivery no longer: its settlement waits to be sent."""
        self._extend_at.pop(delivery, None)

    def sent(self, delivery: Delivery[S]) -> None:
        """Note that a delivery's settlement was sent, and may have been taken."""
        self._sent.add(delivery)

    def renewed(self, delivery: Delivery[S]) -> bool:
        """Tell whether the event was sent again since the settlement was; the delivery is that one from now on."""
        message = self._aside.pop(delivery, None)
        if message is None:
            return False
        self._sent.discard(delivery)
        delivery.ack_id, delivery.attempt = message.ack_id, message.attempt
        return True

    def gone(self, delivery: Delivery[S], *, owed: bool) -> Delivery[S] | None:
        """Let a delivery go. Return the event's next sending if that is here already, and the event still `owed`."""
        self._deliveries.pop((delivery.event.source, delivery.event.id), None)
        self._extend_at.pop(delivery, None)
        self._sent.discard(delivery)
        message = self._aside.pop(delivery, None)
        return self.arrived(message) if message is not None and owed else None

    def next_extension(self) -> float | None:
        """Return when the next deadline is to be extended, in monotonic time; None if none is."""
        return next(iter(self._extend_at.values()), None)

    def to_extend(self, most: int) -> list[Delivery[S]]:
        """Return so many deliveries whose deadlines are to be extended now; each comes again a third of a deadline later."""
        now = time.monotonic()
        due: list[Delivery[S]] = []
        for delivery, at in self._extend_at.items():
            if at > now or len(due) == most:
                break
            due.append(delivery)
        for delivery in due:
            self._extend_later(delivery)
        return due

    def not_extended(self, delivery: Delivery[S]) -> None:
        """Extend a delivery no more: the gateway says that this one is over."""
        self._extend_at.pop(delivery, None)

    def _extend_later(self, delivery: Delivery[S]) -> None:
        self._extend_at.pop(delivery, None)
        self._extend_at[delivery] = time.monotonic() + self.ack_deadline / 3
