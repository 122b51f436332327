"""Drives the Python client as the conformance cases tell it to.

It uses nothing but what the client offers to every program, and judges nothing: it prints what it sees. ../../README.md says
what it is told and what it prints.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import straw
from straw.v1.event_service_pb2 import GetEventRequest
from straw.v1.gateway_service_pb2 import GetStatusRequest

from durable import Consume, Manage, Settle
from output import connections, say, say_error, say_event, say_gap, when


@dataclass
class Subscribe:
    """Follows a stream in cursor mode."""

    types: list[str] = field(default_factory=list)
    filter: str = ""
    start: Any = "latest"
    on_gap: Any = "fail"
    include_raw: bool = False
    end_at_head: bool = False
    heartbeat: int = 0
    max_deliveries: int = 0
    cursor_file: str = ""
    cursor_interval: int = 1000
    stop_after: int = 0
    leave_at: int = 0
    delay: int = 0

    def run(self, client: straw.Client, stopped: threading.Event) -> None:
        options: straw.SubscribeOptions = {
            "types": self.types,
            "filter": self.filter,
            "start": self._start(),
            "include_raw": self.include_raw,
            "end_at_head": self.end_at_head,
            "heartbeat_interval": self.heartbeat / 1000,
            "max_deliveries": self.max_deliveries,
            "cursor_interval": self.cursor_interval / 1000,
            "hooks": connections(),
        }
        if self.cursor_file:
            options["cursor_store"] = self.cursor_file
        subscription = client.subscribe(on_gap=self.on_gap, **options)
        when(stopped, subscription.stop)
        self._follow(subscription)
        say(end=True)

    def _follow(self, subscription: straw.Subscription[straw.Event | straw.Gap]) -> None:
        n = 0
        for event in subscription:
            if isinstance(event, straw.Gap):
                say_gap(event)
                continue
            say_event(event)
            n += 1
            if n == self.leave_at:
                return
            if self.delay:
                threading.Event().wait(self.delay / 1000)
            if n == self.stop_after:
                subscription.stop()

    def _start(self) -> straw.Start:
        match self.start:
            case "earliest" | "latest":
                start: straw.Start = self.start
                return start
            case {"after": cursor}:
                return straw.After(cursor)
            case {"time": time}:
                return datetime.fromisoformat(time.replace("Z", "+00:00"))
        raise SystemExit(f"start: {self.start!r}")


@dataclass
class Download:
    """Writes an export into a file."""

    export: str
    file: str
    resume: bool = False

    def run(self, client: straw.Client, _: threading.Event) -> None:
        with open(self.file, "r+b" if self.resume else "w+b") as file:
            # Reading what is there leaves the file at its end.
            download = client.download(self.export, resume=file)
            while data := download.read(1 << 16):
                file.write(data)
                file.flush()
            say(bytes=download.offset, sha256=download.sha256)
            download.close()


@dataclass
class Get:
    """Shows one event."""

    id: str

    def run(self, client: straw.Client, _: threading.Event) -> None:
        say_event(client.events.GetEvent(GetEventRequest(id=self.id)))


@dataclass
class Verify:
    """Verifies a webhook's signature."""

    body: str
    header: str
    secrets: list[str]

    def run(self, _: straw.Client, __: threading.Event) -> None:
        say(valid=straw.verify_signature(base64.b64decode(self.body), self.header, *self.secrets))


@dataclass
class Status:
    """Shows the gateway's version."""

    def run(self, client: straw.Client, _: threading.Event) -> None:
        say(version=client.gateway.GetStatus(GetStatusRequest()).version)


OPERATIONS: dict[str, Any] = {
    "subscribe": Subscribe,
    "consume": Consume,
    "settle": Settle,
    "manage": Manage,
    "download": Download,
    "get": Get,
    "verify": Verify,
    "status": Status,
}


def main() -> None:
    """Carry out the argument."""
    logging.basicConfig(stream=sys.stderr, level=os.environ.get("STRAW_LOG", "WARNING"))
    argument = json.loads(sys.argv[1])
    operation = OPERATIONS[argument.pop("op")]
    address = argument.pop("address")
    told = operation(**argument)  # a member that it doesn't know is an error
    stopped = threading.Event()

    def wait_for_the_end() -> None:
        while os.read(0, 4096):
            pass
        stopped.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    with straw.Client(address) as client:
        try:
            told.run(client, stopped)
        except Exception as error:
            say_error(error)


if __name__ == "__main__":
    main()
