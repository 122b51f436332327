"""A TCP proxy that misbehaves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Treatment:
    """What happens to the bytes from the gateway to the client. Zero is never."""

    cut_after: int = 0
    """Bytes, then both sides are closed."""
    hang_after: int = 0
    """Bytes, then nothing more is passed and nothing closed."""


class Proxy:
    """Passes connections on; each one's treatment is chosen when it is accepted, by its number from 1."""

    def __init__(self, target: str, treat: Callable[[int], Treatment] = lambda _: Treatment()) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._treat = treat
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.connections = 0
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Close every connection that is open."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self._target, 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            how = self._treat(self.connections)
            with self._lock:
                self._open |= {client, server}
            for thread in (
                threading.Thread(target=self._pass, args=(client, server, Treatment()), daemon=True),
                threading.Thread(target=self._pass, args=(server, client, how), daemon=True),
            ):
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, to: socket.socket, how: Treatment) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if how.hang_after and passed + len(data) >= how.hang_after:
                    to.sendall(data[: max(0, how.hang_after - passed)])
                    while source.recv(65536):
                        pass
                    break
                if how.cut_after and passed + len(data) >= how.cut_after:
                    to.sendall(data[: how.cut_after - passed])
                    break
                to.sendall(data)
                passed += len(data)
        for side in (source, to):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()
