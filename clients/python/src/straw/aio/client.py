"""The asyncio client."""

from __future__ import annotations

from collections.abc import Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, overload

import grpc.aio

from straw._core.durable import ConsumePlan
from straw._core.link import Link, Streams
from straw._core.progress import Progress
from straw._core.request import OnGapOption, Plan
from straw._core.saver import Saving
from straw._core.target import DEFAULT_ADDRESS, TLS, ChannelOptions, target
from straw.aio._connect import Connector, Token
from straw.aio._stubs import Events, Exports, Gateway, Stubs, Subscriptions
from straw.aio._subscribe import Closable, Loop, Saver, Subscription, events
from straw.aio.consumer import Consumer, Handler
from straw.aio.download import Download
from straw.cursor import AsyncCursorStore, CursorStore
from straw.events import Event, Frame, Gap

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from straw._core.durable import ConsumeOptions
    from straw._core.request import AsyncSubscribeOptions


class Client:
    """Calls one gateway, for the tasks of one event loop, in which it is made.

    One per program is enough: its calls share a connection. Making one does no I/O: a gateway that isn't there shows in the
    first call. Also a context manager that closes it.

    Args:
        address: The gateway's `host:port`, or any target that gRPC knows, such as `dns:///host:port` or `unix:///path`.
        tls: None, the default: plaintext to a loopback address or a unix socket, and TLS with the system's roots to
            anything else. True or a `TLS`: TLS. False: plaintext, for a network that is trusted end to end.
        token: A bearer token for every call, or a function, blocking or not, that is called for each; it should cache.
            What it raises fails the call with UNAUTHENTICATED. Refused in plaintext beyond this machine.
        options: Options of gRPC's channel; they count over the client's own.

    Raises:
        ValueError: The address is none, or a token would go in plaintext beyond this machine.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        tls: TLS | bool | None = None,
        token: Token | None = None,
        options: ChannelOptions = (),
    ) -> None:
        place = target(address, tls, has_token=token is not None, options=options)
        self._link: Link[grpc.aio.Channel, Stubs] = Link(Connector(place, token))
        self._streams: Streams[Closable] = Streams()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drain the client's consumers, end its subscriptions with `ClosedError`, and close the connection. Idempotent."""
        for stream in self._streams.close():
            await stream.close()
        await self._link.channel.close()

    @property
    def channel(self) -> grpc.aio.Channel:
        """The connection, for what this package has no name for. Calls over it carry no token."""
        return self._link.channel

    @property
    def events(self) -> Events:
        """EventService."""
        return self._link.stubs.events

    @property
    def subscriptions(self) -> Subscriptions:
        """SubscriptionService."""
        return self._link.stubs.subscriptions

    @property
    def exports(self) -> Exports:
        """ExportService."""
        return self._link.stubs.exports

    @property
    def gateway(self) -> Gateway:
        """GatewayService."""
        return self._link.stubs.gateway

    @overload
    def subscribe(
        self, *, on_gap: Literal["fail"] = "fail", **options: Unpack[AsyncSubscribeOptions]
    ) -> Subscription[Event]: ...

    @overload
    def subscribe(
        self, *, on_gap: Literal["continue"], **options: Unpack[AsyncSubscribeOptions]
    ) -> Subscription[Event | Gap]: ...

    def subscribe(self, *, on_gap: OnGapOption = "fail", **options: Unpack[AsyncSubscribeOptions]) -> Subscription[Any]:
        """Stream events in log order, each once, and reconnect by itself.

        The gateway is called when the iteration begins. It is endless, unless `end_at_head` is set; see
        `AsyncSubscribeOptions` for this and the other options.

        Args:
            on_gap: What to do when retention has removed what comes next: `"fail"` ends with reason CURSOR_EXPIRED;
                `"continue"` yields a `Gap` in place of the lost events and goes on.
            options: What to stream, and from where.

        Raises:
            StrawError: While iterating: what a retry can't help.
            OSError, ValueError: While iterating: the cursor store's own errors.
        """
        loop, progress = self._loop(on_gap, options)
        return Subscription(loop, events(loop, progress))

    def frames(self, *, on_gap: OnGapOption = "fail", **options: Unpack[AsyncSubscribeOptions]) -> Subscription[Frame]:
        """Stream whole frames: heartbeats, gaps and how much is left to read (`frame.backlog`) are visible.

        As `subscribe`, but a frame is what counts as processed, and a gap is a frame with `gap` set.
        """
        loop, _ = self._loop(on_gap, options)
        return Subscription(loop, loop.frames())

    @overload
    def consume(self, subscription: str, /, **options: Unpack[ConsumeOptions]) -> Consumer: ...

    @overload
    def consume(self, subscription: str, handler: Handler, /, **options: Unpack[ConsumeOptions]) -> Awaitable[None]: ...

    def consume(
        self, subscription: str, handler: Handler | None = None, /, **options: Unpack[ConsumeOptions]
    ) -> Consumer | Awaitable[None]:
        """Consume a durable subscription, with a handler or by iterating.

        With a handler, to be awaited: call it with each delivery, several at a time, until that ends or is cancelled; the
        same as `client.consume(subscription).run(handler)`. Without: return the `Consumer`, which does nothing until it is
        run or iterated over.

        Args:
            subscription: The subscription's id.
            handler: Works on a delivery; see `Handler`.
            options: See `ConsumeOptions`.

        Raises:
            StrawError: What a retry can't help, such as SUBSCRIPTION_NOT_FOUND.
        """
        consumer = Consumer(self._link.borrow(), self._streams, subscription, ConsumePlan(**options))
        return consumer if handler is None else consumer.run(handler)

    def download(self, export: str, /, *, resume: BinaryIO | None = None) -> Download:
        """Download an export's newest generation. See `Download`.

        The call is made when the iteration begins.

        Args:
            export: The export's id.
            resume: What an earlier download of the export has brought, as a binary file that is read to its end. The
                download goes on after that; it is summed up with the rest, so that the checksum is the whole file's.
        """
        return Download(self._link.stubs.exports, export, resume)

    def _loop(self, on_gap: OnGapOption, options: AsyncSubscribeOptions) -> tuple[Loop, Progress]:
        plan: Plan[AsyncCursorStore | CursorStore] = Plan(on_gap=on_gap, **options)
        progress = Progress(plan.request(), plan.hooks)
        store = plan.store
        saver = Saver(store, Saving(progress, plan.cursor_interval)) if store is not None else None
        return Loop(self._link.borrow(), self._streams, progress, saver), progress
