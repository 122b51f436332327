"""Reading with either client, so that one test says what both do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import straw
import straw.aio

LONG = 60
"""Seconds that no healthy test takes."""

Take = Callable[[Any], bool | None]
"""Gets each item; returns True to leave the loop."""


class Reader(Protocol):
    """Reads a stream until take says so or it ends."""

    def __call__(
        self, address: str, take: Take, *, frames: bool = False, connect: dict[str, Any] | None = None, **options: Any
    ) -> None: ...


def read_blocking(
    address: str, take: Take, *, frames: bool = False, connect: dict[str, Any] | None = None, **options: Any
) -> None:
    with straw.Client(address, **(connect or {})) as client:
        subscription = client.frames(**options) if frames else client.subscribe(**options)
        for item in subscription:
            if take(item):
                break


def read_async(
    address: str, take: Take, *, frames: bool = False, connect: dict[str, Any] | None = None, **options: Any
) -> None:
    async def read() -> None:
        async with (
            straw.aio.Client(address, **(connect or {})) as client,
            client.frames(**options) if frames else client.subscribe(**options) as subscription,
        ):
            async for item in subscription:
                if take(item):
                    break

    asyncio.run(asyncio.wait_for(read(), LONG))


KINDS = [read_blocking, read_async]


class Collected:
    """Collects events up to a number of them, and checks their order."""

    def __init__(self, until: int = 0, leave: bool = True) -> None:
        self.ids: list[str] = []
        self._until = until
        self._leave = leave

    def __call__(self, event: Any) -> bool:
        self.ids.append(event.id if isinstance(event, straw.Event) else f"gap to {event.oldest}")
        return self._leave and len(self.ids) == self._until
