"""What is gathered into a call, when it is made, and what an answer means; without a gateway."""

from __future__ import annotations

import time

import grpc
import pytest

import straw
from straw._core.held import Held
from straw._core.settle import Batch, Settler
from straw.delivery import Delivery, Settlement
from straw.v1 import event_service_pb2
from straw.v1.subscription_service_pb2 import AcknowledgeRequest, AckResult, ExtendDeadlineRequest, NackRequest


class Consumer:
    """A settler with what it needs, and a clock that stands until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, concurrency: int = 16) -> None:
        self._now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self._now)
        self.held: Held[Settlement] = Held(lambda delivery, action: self.settler.add(delivery, action))
        self.settler: Settler[Settlement] = Settler("crm", self.held, concurrency, Settlement)

    def arrive(self, event_id: str, attempt: int = 1) -> Delivery[Settlement] | None:
        event = straw.Event(id=event_id, source="juicebox")
        message = event_service_pb2.Delivery(event=event, ack_id=f"{event_id}/{attempt}", attempt=attempt)
        return self.held.arrived(message)

    def have(self, event_id: str) -> Delivery[Settlement]:
        delivery = self.arrive(event_id)
        assert delivery is not None
        return delivery

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def due(self) -> float | None:
        due = self.settler.due()
        return None if due is None else round(due, 3)

    def call(self) -> Batch[Settlement]:
        assert self.settler.due() == 0
        batch = self.settler.take()
        assert batch is not None
        return batch

    def answer(self, batch: Batch[Settlement], *statuses: str) -> list[str]:
        """Answer a call; return the events that are to be worked on again."""
        results = [AckResult(status=status) for status in statuses]
        return [delivery.ack_id for delivery in self.settler.answered(batch, results).again]


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    return Consumer(monkeypatch)


def test_gathers_for_ten_milliseconds(consumer: Consumer) -> None:
    deliveries = [consumer.have(f"evt_{n}") for n in range(10)]
    deliveries[0].ack()
    assert consumer.due() == 0.01
    consumer.advance(0.006)
    deliveries[1].ack()
    assert consumer.due() == 0.004
    consumer.advance(0.005)
    batch = consumer.call()
    assert batch.request == AcknowledgeRequest(subscription_id="crm", ack_ids=["evt_0/1", "evt_1/1"])


def test_does_not_wait_for_what_cannot_come(consumer: Consumer) -> None:
    one, two = consumer.have("evt_1"), consumer.have("evt_2")
    one.ack()
    assert consumer.due() == 0.01
    two.ack()
    assert consumer.due() == 0


def test_does_not_wait_when_half_of_what_may_be_outstanding_is_settled(consumer: Consumer) -> None:
    deliveries = [consumer.have(f"evt_{n}") for n in range(32)]
    for delivery in deliveries[:15]:
        delivery.ack()
    assert consumer.due() == 0.01
    deliveries[15].ack()
    assert consumer.due() == 0


def test_a_thousand_ids_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer(monkeypatch, 5000)
    assert consumer.settler.max_outstanding == 1000
    for n in range(1500):
        consumer.have(f"evt_{n}").ack()
    first = consumer.call()
    assert len(first.settlements) == 1000
    consumer.answer(first, *["ACKED"] * 1000)
    assert len(consumer.call().settlements) == 500


def test_one_call_for_each_way_to_settle(consumer: Consumer) -> None:
    consumer.have("evt_1").ack()
    consumer.have("evt_2").nack("x" * 1023 + "é", retry_delay=1.5)
    consumer.have("evt_3").nack(dead_letter=True)
    consumer.have("evt_4").nack(release=True)
    requests = []
    for _ in range(4):
        batch = consumer.call()
        requests.append(batch.request)
        consumer.answer(batch, "ACKED")
    assert consumer.settler.idle
    assert consumer.due() is None
    nack = NackRequest(subscription_id="crm", ack_ids=["evt_2/1"], reason="x" * 1023)
    nack.retry_delay.FromMilliseconds(1500)
    assert requests == [
        AcknowledgeRequest(subscription_id="crm", ack_ids=["evt_1/1"]),
        nack,
        NackRequest(subscription_id="crm", ack_ids=["evt_3/1"], dead_letter=True),
        NackRequest(subscription_id="crm", ack_ids=["evt_4/1"], release=True),
    ]


def test_a_call_that_fails_for_the_connection_is_repeated(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, high: high)
    settlement = consumer.have("evt_1").ack()
    batch = consumer.call()
    lost = straw.StrawError(grpc.StatusCode.UNAVAILABLE, "lost")
    for delay in (0.1, 0.2, 0.4):
        consumer.settler.failed(batch, lost)
        assert consumer.due() == delay
        consumer.advance(delay)
        assert consumer.call() is batch
    consumer.settler.failed(batch, lost)
    consumer.settler.retry_now()
    assert consumer.due() == 0
    consumer.answer(batch, "ALREADY_ACKED")
    assert settlement.succeeded()
    with pytest.raises(straw.StrawError):
        consumer.settler.failed(batch, straw.StrawError(grpc.StatusCode.NOT_FOUND, "gone", reason="SUBSCRIPTION_NOT_FOUND"))


@pytest.mark.parametrize("status", ["STALE", "INVALID"])
def test_each_result_is_its_events_own(consumer: Consumer, status: str) -> None:
    one, two = consumer.have("evt_1").ack(), consumer.have("evt_2").ack()
    consumer.answer(consumer.call(), status, "ACKED")
    assert [one.status, two.status] == [straw.Status(status), straw.Status.ACKED]
    assert not one.succeeded()


def test_a_result_of_a_newer_gateway_is_no_success(consumer: Consumer) -> None:
    settlement = consumer.have("evt_1").ack()
    consumer.settler.answered(consumer.call(), [AckResult.FromString(b"\x10\x63")])
    assert settlement.status is straw.Status.INVALID


def test_deadlines_are_extended_every_third_of_them(consumer: Consumer) -> None:
    one = consumer.have("evt_1")
    consumer.advance(4)
    two = consumer.have("evt_2")
    assert consumer.due() == 6
    consumer.advance(6)
    batch = consumer.call()
    assert batch.request == ExtendDeadlineRequest(subscription_id="crm", ack_ids=["evt_1/1"])
    consumer.answer(batch, "ACKED")
    assert consumer.due() == 4
    consumer.advance(4)
    consumer.settler.failed(consumer.call(), straw.StrawError(grpc.StatusCode.UNAVAILABLE, "lost"))
    assert consumer.due() == 6  # evt_1 again; evt_2 a third later, in good time
    two.ack()
    one.ack()
    consumer.answer(consumer.call(), "ACKED", "ACKED")
    assert consumer.due() is None


def test_what_is_not_extended_any_more(consumer: Consumer) -> None:
    consumer.have("evt_1")
    consumer.advance(10)
    consumer.answer(consumer.call(), "ALREADY_ACKED")
    assert consumer.due() is None


def test_another_sending_of_what_is_worked_on_renews_it(consumer: Consumer) -> None:
    delivery = consumer.have("evt_1")
    assert consumer.arrive("evt_1", 2) is None
    delivery.ack()
    batch = consumer.call()
    assert batch.request.ack_ids == ["evt_1/2"]
    assert consumer.answer(batch, "ACKED") == []
    assert consumer.arrive("evt_1", 3) is not None


@pytest.mark.parametrize(
    ("status", "again"),
    [
        pytest.param("ACKED", [], id="on its way when the ack was taken"),
        pytest.param("STALE", ["evt_1/2"], id="sent for a seek"),
    ],
)
def test_another_sending_while_its_ack_is_on_the_way(consumer: Consumer, status: str, again: list[str]) -> None:
    consumer.have("evt_1").ack()
    batch = consumer.call()
    assert consumer.arrive("evt_1", 2) is None
    assert consumer.answer(batch, status) == again


def test_another_sending_while_its_nack_is_on_the_way(consumer: Consumer) -> None:
    consumer.have("evt_1").nack(release=True)
    batch = consumer.call()
    assert consumer.arrive("evt_1", 2) is None
    assert consumer.answer(batch, "ACKED") == ["evt_1/2"]


def test_a_nack_is_for_the_latest_sending(consumer: Consumer) -> None:
    nack = consumer.have("evt_1").nack("broken")
    batch = consumer.call()
    assert consumer.arrive("evt_1", 2) is None
    assert consumer.answer(batch, "STALE") == []
    assert nack.status is None
    batch = consumer.call()
    assert batch.request.ack_ids == ["evt_1/2"]
    consumer.answer(batch, "ACKED")
    assert nack.succeeded()


def test_what_is_abandoned_has_an_error(consumer: Consumer) -> None:
    sent = consumer.have("evt_1").ack()
    consumer.call()
    waiting = consumer.have("evt_2").ack()
    assert set(consumer.settler.abandon().done) == {sent, waiting}
    assert consumer.settler.idle
    for settlement in (sent, waiting):
        with pytest.raises(straw.StrawError, match="may come again"):
            settlement.outcome()
