"""Durable consumers against a real gateway."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from consuming import FORMS, HANDLERS, Consume, Room, blocking_handler, create, dead_letters, look
from gateway import Gateway, ids
from proxy import Proxy, Treatment
from reading import LONG

import straw
import straw.aio

MakeProxy = Callable[..., Proxy]


@pytest.fixture(params=FORMS)
def consume(request: pytest.FixtureRequest) -> Consume:
    form: Consume = request.param
    return form


@pytest.fixture(params=HANDLERS)
def handled(request: pytest.FixtureRequest) -> Consume:
    form: Consume = request.param
    return form


class Handled:
    """Counts how often each event was worked on."""

    def __init__(self, work: Callable[[Any], None] | None = None) -> None:
        self.times: Counter[str] = Counter()
        self._work = work
        self._lock = threading.Lock()

    def __call__(self, delivery: Any) -> None:
        with self._lock:
            self.times[delivery.event.id] += 1
        if self._work is not None:
            self._work(delivery)

    def each_once(self, wanted: list[str]) -> None:
        assert self.times == dict.fromkeys(wanted, 1)


def owed(gateway: Gateway) -> int:
    return look(gateway.address).backlog


def test_acknowledges_what_was_handled(gateway: Gateway, consume: Consume) -> None:
    create(gateway.address)
    gateway.post(*ids(1, 60))
    handled = Handled()
    settlements = consume(gateway.address, handled, 60, concurrency=4)
    handled.each_once(ids(1, 60))
    assert {s.status for s in settlements} == {straw.Status.ACKED}
    assert owed(gateway) == 0


def test_a_failure_is_a_nack_with_its_text(gateway: Gateway, consume: Consume) -> None:
    create(gateway.address, max_attempts=2)
    gateway.post("evt_1", "evt_2")
    attempts = []

    def work(delivery: Any) -> None:
        if delivery.event.id == "evt_1":
            attempts.append(delivery.attempt)
            raise ValueError("no such person")

    consume(gateway.address, Handled(work), 3)
    assert attempts == [1, 2]
    (letter,) = dead_letters(gateway.address)
    assert (letter.event.id, letter.reason) == ("evt_1", "no such person")


def test_a_handler_may_settle_by_itself(gateway: Gateway, consume: Consume) -> None:
    create(gateway.address, max_attempts=1)
    gateway.post(*ids(1, 4))
    seen: dict[str, list[int]] = {event_id: [] for event_id in ids(1, 4)}

    def work(delivery: Any) -> None:
        seen[delivery.event.id].append(delivery.attempt)
        if delivery.event.id == "evt_1":
            delivery.nack("for good", dead_letter=True)
        elif delivery.event.id == "evt_2" and delivery.attempt == 1:
            delivery.nack(release=True)  # no failure, or max_attempts would dead-letter it
        elif delivery.event.id == "evt_3":
            assert delivery.ack() is delivery.nack("too late")

    settlements = consume(gateway.address, work, 5)
    assert seen == {"evt_1": [1], "evt_2": [1, 2], "evt_3": [1], "evt_4": [1]}
    assert [(letter.event.id, letter.reason) for letter in dead_letters(gateway.address)] == [("evt_1", "for good")]
    assert all(s.succeeded() for s in settlements)


def test_retry_delay(gateway: Gateway, handled: Consume) -> None:
    import time

    create(gateway.address)
    gateway.post("evt_1")
    times = []

    def work(delivery: Any) -> None:
        times.append(time.monotonic())
        if delivery.attempt == 1:
            delivery.nack(retry_delay=0.7)

    handled(gateway.address, work, 2)
    assert times[1] - times[0] >= 0.7


def test_no_event_is_lost_or_repeated_when_the_gateway_is_killed(gateway: Gateway, consume: Consume) -> None:
    create(gateway.address)
    gateway.post(*ids(1, 200))
    killed = threading.Event()

    def work(delivery: Any) -> None:
        if delivery.event.id == "evt_50" and not killed.is_set():
            killed.set()
            gateway.kill()

    def disconnected(*_: Any) -> None:
        if killed.is_set() and not gateway.running:
            gateway.start()

    handled = Handled(work)
    consume(gateway.address, handled, 200, hook={"disconnected": disconnected})
    handled.each_once(ids(1, 200))
    assert owed(gateway) == 0


def test_cuts_and_hangs(gateway: Gateway, make_proxy: MakeProxy, consume: Consume) -> None:
    create(gateway.address)
    gateway.post(*ids(1, 300))
    treatments = {1: Treatment(cut_after=3000), 2: Treatment(cut_after=5500), 3: Treatment(hang_after=7000)}
    proxy = make_proxy(gateway.address, lambda n: treatments.get(n, Treatment()))
    handled, lost = Handled(), list[straw.StrawError]()
    hook = {"disconnected": lambda error, _: lost.append(error)}
    consume(proxy.address, handled, 300, hook=hook, heartbeat_interval=1)
    handled.each_once(ids(1, 300))
    assert owed(gateway) == 0
    assert len(lost) >= 3


def test_concurrency_is_reached_and_kept(gateway: Gateway, handled: Consume) -> None:
    create(gateway.address)
    gateway.post(*ids(1, 30))
    room = Room(5, lambda: room.open())
    handled(gateway.address, lambda _: room.enter(), 30, concurrency=5)
    assert room.most == 5


def test_deadlines_are_extended_while_a_handler_runs(gateway: Gateway, handled: Consume) -> None:
    create(gateway.address, ack_deadline=1, max_attempts=1)  # a deadline that passes is a dead letter
    gateway.post("evt_1")
    room = Room()
    timer = threading.Timer(2.5, room.open)
    timer.start()
    attempts = []

    def work(delivery: Any) -> Awaitable[None] | None:
        attempts.append(delivery.attempt)
        return room.enter()

    (settlement,) = handled(gateway.address, work, 1)
    timer.join()
    assert settlement.status is straw.Status.ACKED
    assert settlement.delivery.attempt == 1
    assert attempts == [1]
    assert not dead_letters(gateway.address)


def test_drains(gateway: Gateway, handled: Consume) -> None:
    """Stopped while handlers work: they end and are acknowledged, and what was not begun is given back."""
    create(gateway.address)
    gateway.post(*ids(1, 40))
    room, begun = Room(), Handled()

    def work(delivery: Any) -> Awaitable[None] | None:
        begun(delivery)
        return room.enter() if len(begun.times) != 4 else None  # the fourth ends, upon which the consumer is stopped

    settlements = handled(gateway.address, work, 1, concurrency=4, stopped=room.open)
    acked = [s.delivery.event.id for s in settlements]
    assert {s.status for s in settlements} == {straw.Status.ACKED}
    assert sorted(acked) == sorted(begun.times)
    assert 4 <= len(acked) < 10
    assert owed(gateway) == 40 - len(acked)
    assert not dead_letters(gateway.address)


def test_the_delivery_with_which_a_loop_is_left_is_given_back(gateway: Gateway) -> None:
    create(gateway.address)
    gateway.post(*ids(1, 3))
    with straw.Client(gateway.address) as client:
        with client.consume("crm") as consumer:
            for delivery in consumer:
                if delivery.event.id == "evt_2":
                    break
                assert delivery.ack().result(LONG) is straw.Status.ACKED
        assert delivery.settlement is not None
        assert delivery.settlement.action == straw.Nack(release=True)
    assert owed(gateway) == 2


def test_confirmations_can_be_awaited(gateway: Gateway) -> None:
    import asyncio

    create(gateway.address)
    gateway.post(*ids(1, 3))

    async def consume() -> list[straw.Status]:
        statuses = []
        async with straw.aio.Client(gateway.address) as client, client.consume("crm") as consumer:
            async for delivery in consumer:
                statuses.append(await delivery.ack())
                if len(statuses) == 3:
                    break
        return statuses

    assert asyncio.run(asyncio.wait_for(consume(), LONG)) == [straw.Status.ACKED] * 3
    assert owed(gateway) == 0


def test_cancelling_drains(gateway: Gateway) -> None:
    import asyncio

    create(gateway.address)
    gateway.post(*ids(1, 3))

    async def consume() -> list[str]:
        finished: list[str] = []
        working = asyncio.Event()

        async def work(delivery: straw.Delivery[straw.aio.Confirmation]) -> None:
            working.set()
            await asyncio.wait_for(asyncio.shield(stopping.wait()), LONG)
            finished.append(delivery.event.id)

        stopping = asyncio.Event()
        async with straw.aio.Client(gateway.address) as client:
            task = asyncio.ensure_future(client.consume("crm", work))
            await working.wait()
            task.cancel()
            asyncio.get_running_loop().call_later(0.2, stopping.set)
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return finished

    assert asyncio.run(asyncio.wait_for(consume(), LONG))
    assert owed(gateway) == 0


def test_a_signal_drains(gateway: Gateway) -> None:
    create(gateway.address)
    gateway.post("evt_1")
    with straw.Client(gateway.address) as client:
        consumer = client.consume("crm")
        before = signal.signal(signal.SIGTERM, lambda *_: consumer.stop())
        try:
            consumer.run(lambda _: signal.raise_signal(signal.SIGTERM))
        finally:
            signal.signal(signal.SIGTERM, before)
    assert owed(gateway) == 0


def test_closing_the_client_drains(gateway: Gateway) -> None:
    create(gateway.address)
    gateway.post("evt_1")
    client = straw.Client(gateway.address)
    closers: list[threading.Thread] = []

    def work(_: Any) -> None:
        closers.append(threading.Thread(target=client.close))
        closers[0].start()

    client.consume("crm", work)
    closers[0].join()
    assert owed(gateway) == 0


def test_an_unknown_subscription_ends_it(gateway: Gateway, consume: Consume) -> None:
    with pytest.raises(straw.StrawError) as raised:
        consume(gateway.address, Handled(), 1)
    assert raised.value.reason == "SUBSCRIPTION_NOT_FOUND"


def test_a_deleted_subscription_ends_it(gateway: Gateway, handled: Consume) -> None:
    from straw.v1.subscription_service_pb2 import DeleteSubscriptionRequest

    create(gateway.address)
    gateway.post("evt_1")

    def work(_: Any) -> None:
        with straw.Client(gateway.address) as client:
            client.subscriptions.DeleteSubscription(DeleteSubscriptionRequest(id="crm"))

    with pytest.raises(straw.StrawError) as raised:
        handled(gateway.address, work, 2)
    assert raised.value.reason == "SUBSCRIPTION_NOT_FOUND"


def test_mistakes() -> None:
    with straw.Client() as client:
        with pytest.raises(ValueError, match="concurrency 0"):
            client.consume("crm", concurrency=0)
        with pytest.raises(TypeError):
            client.consume("crm", concurency=1)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="one of"):
        straw.Nack(dead_letter=True, release=True)


def test_used_once(gateway: Gateway) -> None:
    create(gateway.address)
    gateway.post("evt_1")
    assert blocking_handler(gateway.address, Handled(), 1)
    with straw.Client(gateway.address) as client:
        consumer = client.consume("crm")
        consumer.stop()
        consumer.run(lambda _: None)
        with pytest.raises(RuntimeError, match="used once"):
            consumer.run(lambda _: None)
