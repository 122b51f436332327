"""A real gateway, started, killed and started again."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

SECRET = "a secret of the tests"
_LISTENER = re.compile(r"listener=(\w+).*?addr=(\S+)|addr=(\S+).*?listener=(\w+)")


class Gateway:
    """The gateway's program, with a store of its own. After a restart it listens at the same addresses."""

    def __init__(self, binary: Path, folder: Path, *flags: str) -> None:
        self._binary = binary
        self._folder = folder
        self._flags = flags
        self._addresses: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self.start()

    @property
    def address(self) -> str:
        return self._addresses["grpc"]

    def start(self) -> None:
        def at(listener: str) -> str:
            return self._addresses.get(listener, "127.0.0.1:0")

        self._process = subprocess.Popen(
            [
                self._binary,
                "serve",
                *("--webhook-secret", SECRET),
                *("--webhook-addr", at("webhook"), "--grpc-addr", at("grpc"), "--http-addr", at("http")),
                *("--store", f"pebble:{self._folder}/data", "--blobs", f"file:{self._folder}/exports"),
                *self._flags,
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._read_log, args=(self._process, ready), daemon=True).start()
        assert ready.wait(20), "the gateway didn't start:\n" + "".join(self._log)
        assert self._process.poll() is None, "the gateway ended:\n" + "".join(self._log)

    def _read_log(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        seen = set()
        assert process.stderr is not None
        with process.stderr as log:
            for line in log:
                self._log.append(line)
                if match := _LISTENER.search(line):
                    name, address = match[1] or match[4], match[2] or match[3]
                    self._addresses[name] = address.strip('"')
                    seen.add(name)
                if {"webhook", "grpc", "http"} <= seen:
                    ready.set()
        ready.set()

    @property
    def running(self) -> bool:
        return self._process is not None

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to drain and end."""
        assert self._process is not None
        self._process.terminate()

    def wait(self) -> None:
        """Wait until it has ended."""
        assert self._process is not None
        self._process.wait(30)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def post(self, *ids: str, kind: str = "analysis.completed", data: dict[str, object] | None = None) -> None:
        """Send a signed webhook for each id."""
        for event_id in ids:
            content = data if data is not None else {"analysis_id": f"an_{event_id}", "result_count": 3}
            self.post_body(json.dumps({"id": event_id, "type": kind, "data": content}).encode())

    def post_body(self, body: bytes) -> None:
        request = urllib.request.Request(
            f"http://{self._addresses['webhook']}/webhooks/juicebox",
            body,
            {"x-juicebox-signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def ids(first: int, last: int) -> list[str]:
    return [f"evt_{n}" for n in range(first, last + 1)]


MakeGateway = Callable[..., Gateway]
