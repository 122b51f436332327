"""Channels for the asyncio client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import grpc.aio

from straw._core.target import Target, no_token
from straw.aio._stubs import Authorize, Metadata, Stubs

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]


class Connector:
    """Makes channels to one gateway."""

    def __init__(self, target: Target, token: Token | None) -> None:
        self._target = target
        self._authorize = _bearer(token)

    def dial(self, *, fresh: bool) -> grpc.aio.Channel:
        """Return a channel. It does no I/O until a call is made."""
        options = self._target.channel_options(fresh=fresh)
        if self._target.credentials is None:
            return grpc.aio.insecure_channel(self._target.address, options=options)
        return grpc.aio.secure_channel(self._target.address, self._target.credentials, options=options)

    def stubs(self, channel: grpc.aio.Channel) -> Stubs:
        """Return the stubs over a channel."""
        return Stubs(channel, self._authorize)


def _bearer(token: Token | None) -> Authorize:
    async def authorize() -> Metadata:
        if token is None:
            return ()
        try:
            given = token if isinstance(token, str) else token()
            return (("authorization", f"Bearer {given if isinstance(given, str) else await given}"),)
        except Exception as error:
            raise no_token(error) from error

    return authorize
