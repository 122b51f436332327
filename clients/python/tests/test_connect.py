"""How a client connects, and what it never sends in plaintext."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from reading import Collected, Reader
from scripted import Log

import straw
import straw.aio

MakeLog = Callable[..., Log]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates by it for a server on loopback and for a client."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return folder


def server_credentials(folder: Path) -> grpc.ServerCredentials:
    pair = ((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())
    return grpc.ssl_server_credentials([pair], (folder / "ca.pem").read_bytes(), require_client_auth=True)


def test_mutual_tls_with_a_token(make_log: MakeLog, reader: Reader, certificates: Path) -> None:
    log = make_log(3)
    tokens = iter(["first", "second"])
    tls = straw.TLS.from_files(certificates / "ca.pem", certificates / "client.pem", certificates / "client.key")
    address = log.serve(credentials=server_credentials(certificates))
    got = Collected()
    reader(address, got, start="earliest", end_at_head=True, connect={"tls": tls, "token": lambda: next(tokens)})
    assert len(got.ids) == 3
    assert log.metadata[0]["authorization"] == "Bearer first"
    assert log.metadata[0]["user-agent"].startswith("straw-python/")
    assert "own" in repr(tls)


def test_an_unknown_authority_is_refused(make_log: MakeLog, certificates: Path) -> None:
    address = make_log(1).serve(credentials=server_credentials(certificates))
    with straw.Client(address, tls=True) as client, pytest.raises(straw.StrawError) as raised:
        client.events.GetEvent(straw_get("evt_1"), timeout=5)
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE


def straw_get(event_id: str) -> Any:
    from straw.v1.event_service_pb2 import GetEventRequest

    return GetEventRequest(id=event_id)


def test_a_token_to_loopback(make_log: MakeLog, reader: Reader) -> None:
    log = make_log(1)
    reader(log.serve(), Collected(1), start="earliest", connect={"token": "secret"})
    assert log.metadata[0]["authorization"] == "Bearer secret"


def test_an_awaited_token(make_log: MakeLog) -> None:
    from reading import read_async

    async def token() -> str:
        return "awaited"

    log = make_log(1)
    read_async(log.serve(), Collected(1), start="earliest", connect={"token": token})
    assert log.metadata[0]["authorization"] == "Bearer awaited"


def test_a_token_that_cannot_be_had(make_log: MakeLog, reader: Reader) -> None:
    def token() -> str:
        raise OSError("no such file")

    log = make_log(1)
    with pytest.raises(straw.StrawError, match="no such file") as raised:
        reader(log.serve(), Collected(1), connect={"token": token})
    assert raised.value.code is grpc.StatusCode.UNAUTHENTICATED
    assert not log.requests


@pytest.mark.parametrize("client", [straw.Client, straw.aio.Client])
def test_a_token_in_plaintext_beyond_loopback_is_refused(client: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"gateway\.example without TLS"):
        client("gateway.example:9090", tls=False, token="secret")


@pytest.mark.parametrize("address", ["gateway.example", "9090", ":9090", "::1", "host:port"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError, match=r"isn't host:port"):
        straw.Client(address)


@pytest.mark.parametrize(
    ("address", "secure"),
    [
        ("127.0.0.1:9090", False),
        ("localhost:9090", False),
        ("[::1]:9090", False),
        ("unix:/run/straw.sock", False),
        ("dns:///localhost:9090", False),
        ("gateway.example:9090", True),
        ("dns:///gateway.example:9090", True),
        ("10.0.0.1:9090", True),
    ],
)
def test_plaintext_is_for_loopback(address: str, secure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(grpc, "secure_channel", lambda *_, **__: made.append(True))
    monkeypatch.setattr(grpc, "insecure_channel", lambda *_, **__: made.append(False))
    from straw._connect import Connector
    from straw._core.target import target

    Connector(target(address, None, has_token=False, options=()), None).dial(fresh=False)
    assert made == [secure]


def test_mutual_tls_needs_both() -> None:
    with pytest.raises(ValueError, match="both a certificate and its key"):
        straw.TLS(certificate=b"x")


def test_stubs_raise_the_clients_errors(gateway: Any) -> None:
    with straw.Client(gateway.address) as client, pytest.raises(straw.StrawError) as raised:
        client.events.GetEvent(straw_get("evt_none"))
    assert raised.value.code is grpc.StatusCode.NOT_FOUND
    assert raised.value.reason == "EVENT_NOT_FOUND"
    assert raised.value.metadata["id"] == "evt_none"
    assert "evt_none" in raised.value.message


def test_closing_the_client_ends_its_subscriptions(make_log: MakeLog) -> None:
    client = straw.Client(make_log(1).serve())
    with pytest.raises(straw.ClosedError):
        for _ in client.subscribe(start="earliest"):
            client.close()


def test_closing_a_subscription_ends_its_loop(make_log: MakeLog) -> None:
    with straw.Client(make_log(1).serve()) as client, client.subscribe(start="earliest") as subscription:
        assert next(subscription).id == "evt_1"
        timer = threading.Timer(0.1, subscription.close)
        timer.start()
        assert list(subscription) == []
        timer.join()


@pytest.mark.parametrize("closing", ["client", "subscription"])
def test_closing_from_another_task(make_log: MakeLog, closing: str) -> None:
    import asyncio

    async def read(address: str) -> list[str]:
        got = []
        async with straw.aio.Client(address) as client, client.subscribe(start="earliest") as subscription:
            async for event in subscription:
                got.append(event.id)
                closes = client.close() if closing == "client" else subscription.close()
                asyncio.get_running_loop().call_later(0.1, asyncio.ensure_future, closes)
        return got

    reading = asyncio.wait_for(read(make_log(1).serve()), 30)
    if closing == "client":
        with pytest.raises(straw.ClosedError):
            asyncio.run(reading)
    else:
        assert asyncio.run(reading) == ["evt_1"]


@pytest.mark.parametrize("frames", [False, True])
def test_a_loop_that_is_stopped_has_processed_its_last_item(make_log: MakeLog, frames: bool, tmp_path: Path) -> None:
    position = tmp_path / "position"
    with straw.Client(make_log(30).serve()) as client:
        got = 0
        options: Any = {"start": "earliest", "cursor_store": position}
        subscription: Any = client.frames(**options) if frames else client.subscribe(**options)
        for item in subscription:
            got += len(item.deliveries) if frames else 1
            if got >= 10:
                subscription.stop()
    assert position.read_text().strip() == ("c14" if frames else "c10")


@pytest.mark.parametrize("gone", [False, True])
def test_a_signal_stops_a_loop_that_waits(make_log: MakeLog, gone: bool) -> None:
    """For events, or for the gateway to come back."""
    log = make_log(1)
    lost = threading.Event()
    got: list[str] = []
    with straw.Client(log.serve()) as client:
        hooks = straw.Hooks(disconnected=lambda *_: lost.set())
        subscription = client.subscribe(start="earliest", hooks=hooks)
        before = signal.signal(signal.SIGTERM, lambda *_: subscription.stop())

        def interrupt() -> None:
            if gone:
                log.stop()
                lost.wait(30)
            os.kill(os.getpid(), signal.SIGTERM)

        timer = threading.Timer(0.2, interrupt)
        timer.start()
        try:
            got.extend(event.id for event in subscription)
        finally:
            timer.join()
            signal.signal(signal.SIGTERM, before)
    assert got == ["evt_1"]
