"""What a program asks of a durable consumer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from straw.hooks import Hooks
from straw.v1.event_service_pb2 import SubscribeRequest


class ConsumeOptions(TypedDict, total=False):
    """How to consume a durable subscription."""

    concurrency: int
    """How many handlers work at once. Default 16. Twice as many events, and never more than 1,000, are in the client."""
    drain_timeout: float
    """Seconds that handlers are given to end when the consumer does. Default 30."""
    include_raw: bool
    """Fill `event.raw` with the webhook's body."""
    heartbeat_interval: float
    """How often, in seconds, the gateway sends a frame at least: 1 to 60, default 15."""
    hooks: Hooks
    """Are told what the consumer does."""


@dataclass(frozen=True)
class ConsumePlan:
    """The options, checked and with their defaults. An unknown option is a TypeError."""

    concurrency: int = 16
    drain_timeout: float = 30.0
    include_raw: bool = False
    heartbeat_interval: float = 0.0
    hooks: Hooks | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError(f"straw: concurrency {self.concurrency}: at least one handler must work")

    def request(self, subscription: str, max_outstanding: int) -> SubscribeRequest:
        """Return the stream's request."""
        request = SubscribeRequest(
            subscription_id=subscription, max_outstanding=max_outstanding, include_raw=self.include_raw
        )
        if self.heartbeat_interval:
            request.heartbeat_interval.FromNanoseconds(round(self.heartbeat_interval * 1e9))
        return request


def failure_reason(error: BaseException) -> str:
    """Return what a nack says of a handler's exception."""
    return str(error) or type(error).__name__
