"""Where a position is kept, and when it moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gateway import Gateway, ids
from reading import Collected, Reader, read_async
from scripted import Log

import straw
from straw.v1.gateway_service_pb2 import GetStatusRequest

MakeLog = Callable[..., Log]


class Memory:
    """A store that notes what it is told."""

    def __init__(self, cursor: str = "") -> None:
        self.saves = [cursor] if cursor else []
        self.saved = threading.Event()
        self.fail = False

    def load(self) -> str | None:
        return self.saves[-1] if self.saves else None

    def save(self, cursor: str) -> None:
        if self.fail:
            raise OSError("the disk is full")
        self.saves.append(cursor)
        if cursor == "c2":
            self.saved.set()


class AsyncMemory:
    def __init__(self) -> None:
        self.memory = Memory()

    async def load(self) -> str | None:
        return self.memory.load()

    async def save(self, cursor: str) -> None:
        self.memory.save(cursor)


def test_goes_on_over_runs_of_the_program(gateway: Gateway, reader: Reader, tmp_path: Path) -> None:
    gateway.post(*ids(1, 6))
    position = tmp_path / "position"
    reader(gateway.address, Collected(4), start="earliest", cursor_store=position)
    gateway.restart()
    gateway.post(*ids(7, 8))
    got = Collected()
    # evt_4 was left, and so wasn't processed.
    reader(gateway.address, got, start="earliest", cursor_store=str(position), end_at_head=True)
    assert got.ids == ids(4, 8)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["position"]


def test_an_event_that_is_left_by_an_exception_is_not_processed(make_log: MakeLog, reader: Reader) -> None:
    store = Memory()

    def take(event: straw.Event) -> None:
        if event.id == "evt_3":
            raise KeyError(event.id)

    with pytest.raises(KeyError):
        reader(make_log(5).serve(), take, start="earliest", cursor_store=store)
    assert store.saves[-1] == "c2"


@pytest.mark.parametrize("leave_at", [1, 8])
def test_a_frame_that_is_left_is_not_processed(make_log: MakeLog, reader: Reader, leave_at: int) -> None:
    store = Memory("c1")
    got: list[str] = []

    def take(frame: straw.Frame) -> bool:
        got.append(frame.cursor)
        return frame.cursor == f"c{leave_at}"

    reader(make_log(8).serve(), take, frames=True, cursor_store=store)
    assert got == ["c1", "c8"][: 1 if leave_at == 1 else 2]
    assert store.saves[-1] == "c1"


def test_the_last_frame_moves_the_position_over_filtered_events(gateway: Gateway, reader: Reader) -> None:
    gateway.post(*ids(1, 5))
    store = Memory()
    options: dict[str, Any] = {"types": ["export.ready"], "end_at_head": True, "cursor_store": store}
    reader(gateway.address, Collected(), start="earliest", **options)
    with straw.Client(gateway.address) as client:
        status = client.gateway.GetStatus(GetStatusRequest())
    assert store.saves[-1] == status.head_cursor


def test_saved_within_the_interval_while_the_stream_rests(make_log: MakeLog, reader: Reader) -> None:
    store, saved = Memory(), threading.Event()
    log = make_log(2)
    got = Collected(3)

    def more() -> None:
        if store.saved.wait(30):
            saved.set()
        log.append(1)

    thread = threading.Thread(target=more)
    thread.start()
    reader(log.serve(), got, start="earliest", cursor_store=store, cursor_interval=0.05)
    thread.join()
    assert saved.is_set()


def test_saved_at_most_once_in_an_interval(make_log: MakeLog, reader: Reader) -> None:
    store = Memory()
    reader(make_log(3000).serve(), Collected(3000), start="earliest", cursor_store=store, cursor_interval=60)
    assert store.saves == ["c2999"]


def test_asynchronous_store(make_log: MakeLog) -> None:
    store = AsyncMemory()
    read_async(make_log(5).serve(), Collected(), start="earliest", cursor_store=store, end_at_head=True)
    assert store.memory.saves[-1] == "c5"


def test_a_store_that_fails_ends_the_subscription(make_log: MakeLog, reader: Reader) -> None:
    store = Memory()
    store.fail = True
    with pytest.raises(OSError, match="disk is full"):
        reader(make_log(3, heartbeat=0.05).serve(), Collected(), start="earliest", cursor_store=store, cursor_interval=0.01)


def test_file_cursor(tmp_path: Path) -> None:
    store = straw.FileCursor(tmp_path / "position")
    assert store.load() is None
    for cursor in ("c1", "c2"):
        store.save(cursor)
        assert store.load() == cursor
    (tmp_path / "position").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        store.load()
    with pytest.raises(FileNotFoundError):
        straw.FileCursor(tmp_path / "no" / "folder").save("c1")
    with pytest.raises(OSError, match="directory"):
        straw.FileCursor(tmp_path).load()


def test_closing_the_client_saves_the_position_of_a_loop_that_was_left(make_log: MakeLog) -> None:
    store = Memory()
    with straw.Client(make_log(5).serve()) as client:
        subscription = client.subscribe(start="earliest", cursor_store=store, cursor_interval=60)
        for event in subscription:
            if event.id == "evt_4":
                break
    assert store.saves == ["c3"]
    subscription.close()
