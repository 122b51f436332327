"""The README's programs, run as they stand but for the gateway's address."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from consuming import create, look
from gateway import Gateway, ids
from reading import LONG

import straw
from straw.v1.event_service_pb2 import GetEventRequest

README = (Path(__file__).parent.parent / "README.md").read_text()
PROGRAMS = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if '"127.0.0.1:9090"' in block]


class Program:
    """A program that runs, and what it has printed."""

    def __init__(self, source: str, gateway: Gateway, folder: Path) -> None:
        self.lines: list[str] = []
        self._more = threading.Condition()
        source = source.replace("127.0.0.1:9090", gateway.address)
        self.process = subprocess.Popen([sys.executable, "-c", source], cwd=folder, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._more:
                    self.lines.append(line.strip())
                    self._more.notify_all()

    def wait_for(self, lines: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.lines) >= lines, LONG), self.lines

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        code = self.process.wait(LONG)
        self._reader.join()
        return code


def wait_for_cursor(gateway: Gateway, event_id: str, position: Path) -> None:
    with straw.Client(gateway.address) as client:
        cursor = client.events.GetEvent(GetEventRequest(id=event_id)).cursor
    deadline = time.monotonic() + LONG
    while not position.exists() or position.read_text().strip() != cursor:
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_quickstart(gateway: Gateway, tmp_path: Path) -> None:
    """It loses and repeats nothing, over a kill of the gateway and over an end of its own."""
    gateway.post(*ids(1, 5))
    gateway.post_body(b'{"id": "evt_6", "type": "candidate.moved"}')
    first = Program(PROGRAMS[0], gateway, tmp_path)
    first.wait_for(6)
    gateway.restart()
    gateway.post(*ids(7, 9))
    first.wait_for(9)
    gateway.post("evt_10")
    first.wait_for(10)
    wait_for_cursor(gateway, "evt_10", tmp_path / "position")  # or SIGINT may meet it while it is processed
    first.end(signal.SIGINT)
    gateway.post("evt_11")
    second = Program(PROGRAMS[0], gateway, tmp_path)
    second.wait_for(1)
    second.end(signal.SIGINT)
    got = [line.split()[1] for line in first.lines + second.lines]
    assert got == ids(1, 11)
    assert first.lines[0] == "analysis.completed evt_1 3 results"
    assert first.lines[5] == "candidate.moved evt_6 not recognized"


def test_durable_consumer(gateway: Gateway, tmp_path: Path) -> None:
    create(gateway.address)
    gateway.post(*ids(1, 5))
    program = Program(PROGRAMS[1], gateway, tmp_path)
    program.wait_for(5)
    gateway.restart()
    gateway.post(*ids(6, 8))
    program.wait_for(8)
    assert program.end(signal.SIGTERM) == 0
    assert sorted(line.split()[-1] for line in program.lines) == ids(1, 8)
    assert look(gateway.address).backlog == 0


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_every_example_is_python(block: str) -> None:
    compile(textwrap.dedent(block), "README.md", "exec")
