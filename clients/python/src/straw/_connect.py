"""Channels for the blocking client."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from straw._core.target import Target, no_token
from straw._stubs import Authorize, Metadata, Stubs


class Connector:
    """Makes channels to one gateway."""

    def __init__(self, target: Target, token: str | Callable[[], str] | None) -> None:
        self._target = target
        self._authorize = _bearer(token)

    def dial(self, *, fresh: bool) -> grpc.Channel:
        """Return a channel. It does no I/O until a call is made."""
        options = self._target.channel_options(fresh=fresh)
        if self._target.credentials is None:
            return grpc.insecure_channel(self._target.address, options=options)
        return grpc.secure_channel(self._target.address, self._target.credentials, options=options)

    def stubs(self, channel: grpc.Channel) -> Stubs:
        """Return the stubs over a channel."""
        return Stubs(channel, self._authorize)


def _bearer(token: str | Callable[[], str] | None) -> Authorize:
    if token is None:
        return lambda: ()
    source: Callable[[], str] = (lambda: token) if isinstance(token, str) else token

    def authorize() -> Metadata:
        try:
            return (("authorization", f"Bearer {source()}"),)
        except Exception as error:
            raise no_token(error) from error

    return authorize
