"""Measures the client beside the bare generated stub, and that its memory stays flat.

    python bench.py replay     events/s on replay: blocking, for asyncio, and for asyncio by frames
    python bench.py consume    events/s of a durable consumer with acks, beside a bare loop; needs STRAW_BINARY
    python bench.py memory     resident memory while events pass, for as long as --seconds says

Stub and client read the same frames, from a sender in another process, by turns; the best round of each counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

import straw
import straw.aio
from straw.v1.event_service_pb2 import Delivery, SubscribeRequest, SubscribeResponse
from straw.v1.event_service_pb2_grpc import EventServiceStub
from straw.v1.subscription_service_pb2 import AcknowledgeRequest, CreateSubscriptionRequest, Subscription
from straw.v1.subscription_service_pb2_grpc import SubscriptionServiceStub

FRAME_EVENTS = 256
"""Events in a frame: what a gateway sends unless it is asked for less."""


def full_frame() -> bytes:
    """Return a frame of full size, encoded."""
    frame = SubscribeResponse(cursor="AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    frame.heartbeat_interval.seconds = 15
    for i in range(FRAME_EVENTS):
        event = straw.Event(id=f"evt_{i:024}", type="analysis.completed", source="juicebox", cursor=frame.cursor)
        event.receive_time.GetCurrentTime()
        event.create_time.GetCurrentTime()
        event.analysis_completed.analysis_id = f"an_{i:024}"
        event.analysis_completed.result_count = i
        event.analysis_completed.query = "senior platform engineer, Berlin"
        frame.deliveries.append(Delivery(event=event))
    return frame.SerializeToString()


def send(port: Any) -> None:
    """Send one frame, encoded once, for ever to whoever subscribes."""
    frame = full_frame()

    def subscribe(_: bytes, context: Any) -> Iterator[bytes]:
        while context.is_active():
            yield frame

    method: Any = grpc.unary_stream_rpc_method_handler(subscribe)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handler = grpc.method_handlers_generic_handler("straw.v1.EventService", {"Subscribe": method})
    server.add_generic_rpc_handlers((handler,))
    port.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    server.wait_for_termination()


def read_stub(address: str, n: int) -> None:
    """Read events with the generated stub."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = EventServiceStub(channel)
        for frame in stub.Subscribe(SubscribeRequest()):
            for delivery in frame.deliveries:
                if not delivery.event.id:
                    raise RuntimeError("an event without an id")
                n -= 1
            if n <= 0:
                return


def read_client(address: str, n: int) -> None:
    """Read events with the client."""
    with straw.Client(address) as client:
        for event in client.subscribe(start="earliest"):
            if not event.id:
                raise RuntimeError("an event without an id")
            n -= 1
            if n <= 0:
                return


def read_async_stub(address: str, n: int) -> None:
    """Read events with the generated stub, for asyncio."""

    async def read(n: int) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = EventServiceStub(channel)
            async for frame in stub.Subscribe(SubscribeRequest()):
                for delivery in frame.deliveries:
                    if not delivery.event.id:
                        raise RuntimeError("an event without an id")
                    n -= 1
                if n <= 0:
                    return

    asyncio.run(read(n))


def read_async_client(address: str, n: int) -> None:
    """Read events with the asyncio client."""

    async def read(n: int) -> None:
        async with straw.aio.Client(address) as client, client.subscribe(start="earliest") as events:
            async for event in events:
                if not event.id:
                    raise RuntimeError("an event without an id")
                n -= 1
                if n <= 0:
                    return

    asyncio.run(read(n))


def read_async_frames(address: str, n: int) -> None:
    """Read frames with the asyncio client."""

    async def read(n: int) -> None:
        async with straw.aio.Client(address) as client, client.frames(start="earliest") as frames:
            async for frame in frames:
                for delivery in frame.deliveries:
                    if not delivery.event.id:
                        raise RuntimeError("an event without an id")
                    n -= 1
                if n <= 0:
                    return

    asyncio.run(read(n))


def compare(name: str, rounds: int, n: int, bare: Callable[[], None], client: Callable[[], None]) -> None:
    """Print the best rate of both, measured by turns, and their ratio: other load only slows a round."""
    rates: dict[str, list[float]] = {"bare": [], "client": []}
    for _ in range(rounds):
        for which, read in (("bare", bare), ("client", client)):
            began = time.perf_counter()
            read()
            rates[which].append(n / (time.perf_counter() - began))
    bare_rate, client_rate = max(rates["bare"]), max(rates["client"])
    row = {"benchmark": name, "bare": round(bare_rate), "client": round(client_rate)}
    print(json.dumps(row | {"unit": "events/s", "ratio": round(client_rate / bare_rate, 2)}), flush=True)


def replay(address: str, args: argparse.Namespace) -> None:
    """Compare reading."""
    n = args.events
    compare("replay", args.rounds, n, lambda: read_stub(address, n), lambda: read_client(address, n))
    compare("replay asyncio", args.rounds, n, lambda: read_async_stub(address, n), lambda: read_async_client(address, n))
    compare(
        "replay asyncio frames", args.rounds, n, lambda: read_async_stub(address, n), lambda: read_async_frames(address, n)
    )


def memory(address: str, args: argparse.Namespace) -> None:
    """Print the resident memory ten times while events pass."""
    began, last, n, sizes = time.monotonic(), 0.0, 0, list[float]()
    with straw.Client(address) as client:
        for _ in client.subscribe(start="earliest", cursor_store=os.path.join(tempfile.mkdtemp(), "position")):
            n += 1
            if n % 10_000 or time.monotonic() - last < args.seconds / 10:
                continue
            last = time.monotonic()
            sizes.append(resident())
            print(json.dumps({"benchmark": "memory", "events": n, "MiB": sizes[-1]}), flush=True)
            if last - began >= args.seconds:
                break
    print(json.dumps({"benchmark": "memory", "events": n, "grown MiB": round(sizes[-1] - sizes[1], 1)}))


def resident() -> float:
    """Return the process' resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGESIZE") / (1 << 20), 1)


def consume(_: str, args: argparse.Namespace) -> None:
    """Compare durable consumers, each over a subscription of its own with the same events."""
    sys.path.insert(0, str(Path(__file__).parent / "tests"))
    from gateway import Gateway, ids

    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(os.environ["STRAW_BINARY"]), Path(folder))
        try:
            with futures.ThreadPoolExecutor(16) as posters:
                list(posters.map(gateway.post, ids(1, args.consumed)))
            numbers = iter(range(1000))
            for which, client in (("consume with acks", consume_client), ("consume with acks, asyncio", consume_async)):
                compare(
                    which,
                    args.rounds,
                    args.consumed,
                    lambda: consume_bare(gateway.address, f"bare-{next(numbers)}", args),
                    partial(lambda consume: consume(gateway.address, f"client-{next(numbers)}", args), client),
                )
        finally:
            gateway.kill()


def create(address: str, name: str) -> None:
    """Create a subscription from the earliest event."""
    with straw.Client(address) as client:
        definition = Subscription(id=name, start_position="EARLIEST")
        client.subscriptions.CreateSubscription(CreateSubscriptionRequest(subscription=definition))


def consume_bare(address: str, name: str, args: argparse.Namespace) -> None:
    """Acknowledge each frame of the generated stub at once, in the same loop."""
    create(address, name)
    n = args.consumed
    with grpc.insecure_channel(address) as channel:
        events: Any = EventServiceStub(channel)
        subscriptions: Any = SubscriptionServiceStub(channel)
        request = SubscribeRequest(subscription_id=name, max_outstanding=min(2 * args.concurrency, 1000))
        for frame in events.Subscribe(request):
            if not frame.deliveries:
                continue
            ids = [delivery.ack_id for delivery in frame.deliveries]
            results = subscriptions.Acknowledge(AcknowledgeRequest(subscription_id=name, ack_ids=ids)).results
            n -= len(results)
            if n <= 0:
                return


def consume_client(address: str, name: str, args: argparse.Namespace) -> None:
    """Consume with a handler that does nothing."""
    create(address, name)
    confirmed = 0

    def settled(_: straw.Settlement) -> None:
        nonlocal confirmed
        confirmed += 1
        if confirmed == args.consumed:
            consumer.stop()

    with straw.Client(address) as client:
        consumer = client.consume(name, concurrency=args.concurrency, hooks=straw.Hooks(settled=settled))
        consumer.run(lambda _: None)


def consume_async(address: str, name: str, args: argparse.Namespace) -> None:
    """Consume with an asyncio handler that does nothing."""
    create(address, name)
    confirmed = 0

    async def run() -> None:
        def settled(_: straw.Settlement) -> None:
            nonlocal confirmed
            confirmed += 1
            if confirmed == args.consumed:
                consumer.stop()

        async def handle(_: object) -> None:
            pass

        async with straw.aio.Client(address) as client:
            consumer = client.consume(name, concurrency=args.concurrency, hooks=straw.Hooks(settled=settled))
            await consumer.run(handle)

    asyncio.run(run())


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["replay", "consume", "memory"])
    parser.add_argument("--events", type=int, default=1_000_000, help="read in each round")
    parser.add_argument("--consumed", type=int, default=10_000, help="events that are consumed in each round")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    address, sender = "", None
    if args.what != "consume":
        ours, theirs = multiprocessing.Pipe()
        sender = multiprocessing.get_context("spawn").Process(target=send, args=(theirs,), daemon=True)
        sender.start()
        address = f"127.0.0.1:{ours.recv()}"
    try:
        {"replay": replay, "memory": memory, "consume": consume}[args.what](address, args)
    finally:
        if sender is not None:
            sender.kill()


if __name__ == "__main__":
    main()
