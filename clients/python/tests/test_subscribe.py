"""The stream over real faults: a real gateway, killed and restarted, and a proxy that cuts and hangs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from gateway import Gateway, ids
from proxy import Proxy, Treatment
from reading import Collected, Reader
from scripted import Log, fail

import straw

MakeLog = Callable[..., Log]
MakeProxy = Callable[..., Proxy]


def test_ends_at_head(gateway: Gateway, reader: Reader) -> None:
    gateway.post(*ids(1, 20))
    got = Collected()
    reader(gateway.address, got, start="earliest", end_at_head=True)
    assert got.ids == ids(1, 20)


def test_resumes_after_the_gateway_was_killed(gateway: Gateway, reader: Reader) -> None:
    gateway.post(*ids(1, 10))
    got = Collected(20)
    lost: list[straw.StrawError] = []

    def disconnected(error: straw.StrawError, _: float) -> None:
        lost.append(error)
        if len(lost) == 1:
            gateway.start()
            gateway.post(*ids(11, 20))

    def take(event: straw.Event) -> bool:
        if event.id == "evt_10":
            gateway.kill()
        return got(event)

    reader(gateway.address, take, start="earliest", hooks=straw.Hooks(disconnected=disconnected))
    assert got.ids == ids(1, 20)
    assert lost


def test_going_away_is_honoured(gateway: Gateway, reader: Reader) -> None:
    gateway.post(*ids(1, 3))
    got = Collected(4)
    told: list[straw.Frame] = []
    lost: list[tuple[straw.StrawError, float]] = []

    def frame(each: straw.Frame) -> None:
        if each.HasField("going_away"):
            told.append(each)

    def disconnected(error: straw.StrawError, delay: float) -> None:
        lost.append((error, delay))
        if len(lost) == 1:
            gateway.wait()
            gateway.start()
            gateway.post("evt_4")

    def take(event: straw.Event) -> bool:
        if event.id == "evt_3":
            gateway.terminate()
        return got(event)

    hooks = straw.Hooks(frame=frame, disconnected=disconnected)
    reader(gateway.address, take, start="earliest", hooks=hooks)
    assert got.ids == ids(1, 4)
    assert lost[0][0].reason == "DRAINING"
    assert lost[0][1] >= told[0].going_away.retry_delay.ToTimedelta().total_seconds()


def test_resumes_after_cuts_at_any_byte(make_log: MakeLog, make_proxy: MakeProxy, reader: Reader) -> None:
    cuts, rng = 8, random.Random(1)
    proxy = make_proxy(
        make_log(2000).serve(),
        lambda n: Treatment(cut_after=300 + rng.randrange(8000)) if n <= cuts else Treatment(),
    )
    got = Collected(2000)
    lost: list[straw.StrawError] = []
    hooks = straw.Hooks(disconnected=lambda error, _: lost.append(error))
    reader(proxy.address, got, start="earliest", hooks=hooks)
    assert got.ids == ids(1, 2000)
    assert len(lost) == cuts
    assert {error.code for error in lost} == {grpc.StatusCode.UNAVAILABLE}


def test_a_hung_connection_is_noticed(make_log: MakeLog, make_proxy: MakeProxy, reader: Reader) -> None:
    proxy = make_proxy(make_log(500, heartbeat=0.1).serve(), lambda n: Treatment(hang_after=3000) if n <= 2 else Treatment())
    got = Collected(500)
    lost: list[straw.StrawError] = []
    hooks = straw.Hooks(disconnected=lambda error, _: lost.append(error))
    reader(proxy.address, got, start="earliest", hooks=hooks)
    assert got.ids == ids(1, 500)
    assert [type(error) for error in lost] == [straw.SilentError] * 2
    assert proxy.connections == 3


def test_working_on_an_event_is_not_silence(make_log: MakeLog, reader: Reader) -> None:
    import threading

    log = make_log(3, heartbeat=0.02)
    got = Collected(3)
    lost: list[straw.StrawError] = []

    def take(event: straw.Event) -> bool:
        threading.Event().wait(0.3)  # the work
        return got(event)

    reader(log.serve(), take, start="earliest", hooks=straw.Hooks(disconnected=lambda e, _: lost.append(e)))
    assert got.ids == ids(1, 3)
    assert not lost


def refusals() -> list[Any]:
    def expired(context: Any) -> None:
        fail(context, grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", oldest="c8")

    def too_many(context: Any) -> None:
        fail(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", limit="1")

    def draining(context: Any) -> None:
        fail(context, grpc.StatusCode.UNAVAILABLE, "DRAINING")

    def proxy(context: Any) -> None:
        fail(context, grpc.StatusCode.INTERNAL, "")

    def own_internal(context: Any) -> None:
        fail(context, grpc.StatusCode.INTERNAL, "INVALID_FIELD")

    def unauthenticated(context: Any) -> None:
        fail(context, grpc.StatusCode.UNAUTHENTICATED, "")

    def fine(_: Any) -> None:
        pass

    return [
        pytest.param([expired], 1, "CURSOR_EXPIRED", id="a gateway's own refusal is final"),
        pytest.param([fine, expired], 2, "CURSOR_EXPIRED", id="also when resuming"),
        pytest.param([too_many], 1, "TOO_MANY_STREAMS", id="too many streams at first"),
        pytest.param([fine, too_many, too_many, fine], 4, None, id="too many streams when resuming"),
        pytest.param([draining, draining, fine, fine], 4, None, id="draining"),
        pytest.param([proxy, fine, fine], 3, None, id="a proxy's error"),
        pytest.param([own_internal], 1, "INVALID_FIELD", id="a gateway's own INTERNAL"),
        pytest.param([unauthenticated], 1, "", id="no permission"),
    ]


@pytest.mark.parametrize(("answers", "calls", "reason"), refusals())
def test_refusals(make_log: MakeLog, reader: Reader, answers: list[Any], calls: int, reason: str | None) -> None:
    log = make_log(8)
    log.refuse = lambda call, context: answers[call - 1](context)
    streams = []

    def script(call: int, _: Any, context: Any) -> Any:
        streams.append(call)
        if len(streams) == 1:  # the first stream that is let in dies
            fail(context, grpc.StatusCode.UNAVAILABLE, "DRAINING")
        return log.stream(0, 8, context)

    log.script = script
    got = Collected()
    if reason is None:
        reader(log.serve(), got, start="earliest", end_at_head=True)
        assert got.ids == ids(1, 8)
    else:
        with pytest.raises(straw.StrawError) as raised:
            reader(log.serve(), got, start="earliest", end_at_head=True)
        assert raised.value.reason == reason
        if reason == "CURSOR_EXPIRED":
            assert raised.value.metadata == {"oldest": "c8"}
            assert raised.value.code is grpc.StatusCode.OUT_OF_RANGE
            assert "CURSOR_EXPIRED" in str(raised.value)
    assert len(log.requests) == calls


@pytest.mark.parametrize("frames", [False, True])
def test_gap(make_log: MakeLog, reader: Reader, frames: bool) -> None:
    log = make_log(10)

    def script(_: int, request: Any, context: Any) -> Any:
        if request.after == "c3":
            yield straw.Frame(cursor="c8", backlog=2, gap=straw.Gap(requested="c3", oldest="c8"))
        yield from log.stream(8, 10, context)

    log.script = script
    got: list[str] = []

    def take(item: Any) -> None:
        if isinstance(item, straw.Frame):
            got.append(f"{item.cursor} {len(item.deliveries)} {item.HasField('gap')}")
        else:
            got.append(f"{item.requested} to {item.oldest}" if isinstance(item, straw.Gap) else item.id)

    told: list[str] = []
    hooks = straw.Hooks(gap=lambda gap: told.append(f"{gap.requested} to {gap.oldest}"))
    reader(log.serve(), take, frames=frames, start=straw.After("c3"), on_gap="continue", end_at_head=True, hooks=hooks)
    assert told == ["c3 to c8"]
    assert got == (["c3 0 False", "c8 0 True", "c10 2 False"] if frames else ["c3 to c8", "evt_9", "evt_10"])


def test_failures_start_anew_with_the_second_frame(make_log: MakeLog, reader: Reader) -> None:
    log = make_log(1)

    def script(call: int, _: Any, context: Any) -> Any:
        if call == 4:
            yield from log.stream(0, 1, context)
        if call < 5:
            fail(context, grpc.StatusCode.UNAVAILABLE, "DRAINING")

    log.script = script
    delays: list[float] = []
    got = Collected()
    hooks = straw.Hooks(disconnected=lambda _, delay: delays.append(delay))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("random.uniform", lambda _, high: high / 10)
        reader(log.serve(), got, start="earliest", end_at_head=True, hooks=hooks)
    assert [round(delay * 1000) for delay in delays] == [10, 20, 40, 10]


def test_unknown_payload_of_a_newer_gateway(make_log: MakeLog, reader: Reader) -> None:
    log = make_log(0)
    # Field 39 of the event, where this client knows nothing, and one of the frame.
    event = straw.Event(id="evt_1", type="person.found", cursor="c1").SerializeToString() + b"\xba\x02\x02\x08\x01"
    newer = straw.Event.FromString(event)
    log.events.append(newer)
    got: list[straw.Event] = []
    reader(log.serve(), got.append, start="earliest", end_at_head=True)
    assert [(event.id, event.type, straw.payload(event)) for event in got] == [("evt_1", "person.found", None)]


def test_request_carries_every_option(make_log: MakeLog, reader: Reader) -> None:
    from datetime import datetime, timezone

    log = make_log(0)
    when = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
    reader(
        log.serve(),
        Collected(),
        types=["export.*"],
        allow_unseen_types=True,
        filter="true",
        start=when,
        on_gap="continue",
        include_raw=True,
        end_at_head=True,
        heartbeat_interval=5,
        max_deliveries=12,
    )
    (request,) = log.requests
    assert request.types == ["export.*"]
    assert request.allow_unseen_types
    assert request.include_raw
    assert request.end_at_head
    assert request.filter == "true"
    assert request.start_time.ToDatetime(timezone.utc) == when
    assert request.on_gap == 2
    assert request.heartbeat_interval.seconds == 5
    assert request.max_deliveries_per_response == 12


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tpyes": []}, TypeError),
        ({"types": "export.ready"}, TypeError),
        ({"start": __import__("datetime").datetime(2026, 1, 1)}, ValueError),
    ],
)
def test_mistaken_options(options: dict[str, Any], error: type[Exception]) -> None:
    with straw.Client() as client, pytest.raises(error):
        client.subscribe(**options)
