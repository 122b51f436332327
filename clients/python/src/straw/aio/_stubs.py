"""The generated stubs for asyncio, typed, with the client's token and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty

from straw.errors import StrawError
from straw.v1 import event_pb2, event_service_pb2, export_service_pb2, gateway_service_pb2, subscription_service_pb2
from straw.v1.event_service_pb2_grpc import EventServiceStub
from straw.v1.export_service_pb2_grpc import ExportServiceStub
from straw.v1.gateway_service_pb2_grpc import GatewayServiceStub
from straw.v1.subscription_service_pb2_grpc import SubscriptionServiceStub

Request = TypeVar("Request", contravariant=True)
Response = TypeVar("Response", covariant=True)
Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
Authorize: TypeAlias = Callable[[], Awaitable[Metadata]]


class Unary(Generic[Request, Response]):
    """A call with one answer."""

    def __init__(self, call: Any, authorize: Authorize) -> None:
        self._call = call
        self._authorize = authorize

    async def __call__(self, request: Request, *, timeout: float | None = None, metadata: Metadata = ()) -> Response:
        """Call, within a time in seconds if one is given. Raises StrawError."""
        try:
            response: Response = await self._call(request, timeout=timeout, metadata=(*metadata, *await self._authorize()))
        except grpc.RpcError as error:
            raise StrawError.from_rpc(error) from error
        return response


class Stream(Generic[Response]):
    """The answers of a call, as they come. Iterating raises StrawError."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[Response]:
        try:
            async for response in self._call:
                yield response
        except grpc.RpcError as error:
            raise StrawError.from_rpc(error) from error

    def cancel(self) -> None:
        """End the call, from the loop. Idempotent."""
        self._call.cancel()


class Streaming(Generic[Request, Response]):
    """A call with a stream of answers. It doesn't reconnect."""

    def __init__(self, call: Any, authorize: Authorize) -> None:
        self._call = call
        self._authorize = authorize

    async def __call__(self, request: Request, *, timeout: float | None = None, metadata: Metadata = ()) -> Stream[Response]:
        """Call, within a time in seconds if one is given."""
        return Stream(self._call(request, timeout=timeout, metadata=(*metadata, *await self._authorize())))


class Events:
    """EventService. Subscribe through the client's own method, which reconnects."""

    def __init__(self, channel: grpc.aio.Channel, authorize: Authorize) -> None:
        stub: Any = EventServiceStub(channel)
        pb = event_service_pb2
        self.Subscribe: Streaming[pb.SubscribeRequest, pb.SubscribeResponse] = Streaming(stub.Subscribe, authorize)
        self.GetEvent: Unary[pb.GetEventRequest, event_pb2.Event] = Unary(stub.GetEvent, authorize)
        self.ListEvents: Unary[pb.ListEventsRequest, pb.ListEventsResponse] = Unary(stub.ListEvents, authorize)


class Subscriptions:
    """SubscriptionService: durable subscriptions, their acknowledgements and dead letters."""

    def __init__(self, channel: grpc.aio.Channel, authorize: Authorize) -> None:
        stub: Any = SubscriptionServiceStub(channel)
        pb = subscription_service_pb2
        self.CreateSubscription: Unary[pb.CreateSubscriptionRequest, pb.Subscription] = Unary(
            stub.CreateSubscription, authorize
        )
        self.GetSubscription: Unary[pb.GetSubscriptionRequest, pb.Subscription] = Unary(stub.GetSubscription, authorize)
        self.ListSubscriptions: Unary[pb.ListSubscriptionsRequest, pb.ListSubscriptionsResponse] = Unary(
            stub.ListSubscriptions, authorize
        )
        self.UpdateSubscription: Unary[pb.UpdateSubscriptionRequest, pb.Subscription] = Unary(
            stub.UpdateSubscription, authorize
        )
        self.DeleteSubscription: Unary[pb.DeleteSubscriptionRequest, Empty] = Unary(stub.DeleteSubscription, authorize)
        self.Acknowledge: Unary[pb.AcknowledgeRequest, pb.AcknowledgeResponse] = Unary(stub.Acknowledge, authorize)
        self.Nack: Unary[pb.NackRequest, pb.NackResponse] = Unary(stub.Nack, authorize)
        self.ExtendDeadline: Unary[pb.ExtendDeadlineRequest, pb.ExtendDeadlineResponse] = Unary(
            stub.ExtendDeadline, authorize
        )
        self.SeekSubscription: Unary[pb.SeekSubscriptionRequest, pb.SeekSubscriptionResponse] = Unary(
            stub.SeekSubscription, authorize
        )
        self.ListDeadLetters: Unary[pb.ListDeadLettersRequest, pb.ListDeadLettersResponse] = Unary(
            stub.ListDeadLetters, authorize
        )
        self.RedeliverDeadLetters: Unary[pb.RedeliverDeadLettersRequest, pb.RedeliverDeadLettersResponse] = Unary(
            stub.RedeliverDeadLetters, authorize
        )
        self.PurgeDeadLetters: Unary[pb.PurgeDeadLettersRequest, pb.PurgeDeadLettersResponse] = Unary(
            stub.PurgeDeadLetters, authorize
        )


class Exports:
    """ExportService. Download through the client's own method, which resumes and sums up."""

    def __init__(self, channel: grpc.aio.Channel, authorize: Authorize) -> None:
        stub: Any = ExportServiceStub(channel)
        pb = export_service_pb2
        self.GetExport: Unary[pb.GetExportRequest, pb.Export] = Unary(stub.GetExport, authorize)
        self.ListExports: Unary[pb.ListExportsRequest, pb.ListExportsResponse] = Unary(stub.ListExports, authorize)
        self.RefetchExport: Unary[pb.RefetchExportRequest, pb.Export] = Unary(stub.RefetchExport, authorize)
        self.DownloadExport: Streaming[pb.DownloadExportRequest, pb.DownloadExportResponse] = Streaming(
            stub.DownloadExport, authorize
        )


class Gateway:
    """GatewayService: the gateway itself."""

    def __init__(self, channel: grpc.aio.Channel, authorize: Authorize) -> None:
        stub: Any = GatewayServiceStub(channel)
        pb = gateway_service_pb2
        self.GetStatus: Unary[pb.GetStatusRequest, pb.GetStatusResponse] = Unary(stub.GetStatus, authorize)
        self.RegisterWebhook: Unary[pb.RegisterWebhookRequest, pb.RegisterWebhookResponse] = Unary(
            stub.RegisterWebhook, authorize
        )


class Stubs:
    """The stubs of every service over one channel."""

    def __init__(self, channel: grpc.aio.Channel, authorize: Authorize) -> None:
        self.events = Events(channel, authorize)
        self.subscriptions = Subscriptions(channel, authorize)
        self.exports = Exports(channel, authorize)
        self.gateway = Gateway(channel, authorize)
