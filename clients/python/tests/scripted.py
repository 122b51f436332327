"""A gateway's log in memory behind the real service definition, for what a real gateway does only by chance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from straw.events import Event, Frame
from straw.v1.event_service_pb2 import Delivery, StartPosition, SubscribeRequest
from straw.v1.event_service_pb2_grpc import EventServiceServicer, add_EventServiceServicer_to_server

Script = Callable[[int, SubscribeRequest, Any], Iterator[Frame]]


def fail(context: Any, code: grpc.StatusCode, reason: str, **metadata: str) -> None:
    """End a call as a gateway does, with a reason; without one, as a proxy does."""
    if reason:
        detail = AnyMessage()
        detail.Pack(ErrorInfo(domain="straw.v1", reason=reason, metadata=metadata))
        status = Status(code=code.value[0], message="what happened", details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, "what happened")


class Log(EventServiceServicer):
    """The event n has the id `evt_n` and the cursor `c<n>`; `c0` is the position before the first."""

    def __init__(self, events: int, *, batch: int = 7, heartbeat: float = 15.0) -> None:
        self.batch = batch
        self.heartbeat = heartbeat
        self.requests: list[SubscribeRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.refuse: Callable[[int, Any], None] | None = None
        self.script: Script | None = None
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self._over = False
        self._server: grpc.Server | None = None
        self.append(events)

    def append(self, n: int) -> None:
        with self._changed:
            for i in range(len(self.events) + 1, len(self.events) + n + 1):
                event = Event(id=f"evt_{i}", type="analysis.completed", source="juicebox", cursor=f"c{i}")
                event.analysis_completed.analysis_id = "a" * (i % 97 + 1)
                self.events.append(event)
            self._changed.notify_all()

    def serve(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> str:
        self._over = False
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        add_EventServiceServicer_to_server(self, self._server)
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self._server.start()
        return f"127.0.0.1:{port}"

    def stop(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._server is not None:
            self._server.stop(0).wait(10)
            self._server = None

    def starts(self) -> list[str]:
        """Return the positions that the calls began after."""
        return [request.after for request in self.requests]

    def Subscribe(self, request: SubscribeRequest, context: Any) -> Iterator[Frame]:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        call, head = len(self.requests), len(self.events)
        position = head
        if request.start_position == StartPosition.EARLIEST:
            position = 0
        if request.HasField("after"):
            position = int(request.after.removeprefix("c"))
        if self.refuse is not None:
            self.refuse(call, context)
        first = Frame(cursor=f"c{position}", backlog=head - position)
        first.heartbeat_interval.FromNanoseconds(round(self.heartbeat * 1e9))
        yield first
        if self.script is not None:
            yield from self.script(call, request, context)
        else:
            yield from self.stream(position, head if request.end_at_head else None, context)

    def stream(self, position: int, end: int | None, context: Any) -> Iterator[Frame]:
        while context.is_active() and (end is None or position < end):
            with self._changed:
                if len(self.events) == position:
                    self._changed.wait(min(self.heartbeat, 0.5))
                if self._over:
                    return
                events = self.events[position : position + self.batch]
            position += len(events)
            yield frame(events, position)


def frame(events: list[Event], position: int) -> Frame:
    return Frame(deliveries=[Delivery(event=event) for event in events], cursor=f"c{position}")
