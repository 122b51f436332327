from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gateway import Gateway, MakeGateway
from proxy import Proxy, Treatment
from reading import KINDS, Reader
from scripted import Log


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway's program: STRAW_BINARY, or built from this repository."""
    if given := os.environ.get("STRAW_BINARY"):
        return Path(given).resolve()
    built = tmp_path_factory.mktemp("straw") / "straw"
    root = Path(__file__).resolve().parents[3]
    subprocess.run(["go", "build", "-o", built, "./server/cmd/straw"], cwd=root, check=True)
    return built


@pytest.fixture
def make_gateway(binary: Path, tmp_path: Path) -> Iterator[MakeGateway]:
    made: list[Gateway] = []

    def make(*flags: str) -> Gateway:
        made.append(Gateway(binary, tmp_path / f"gateway-{len(made)}", *flags))
        return made[-1]

    yield make
    for gateway in made:
        gateway.kill()


@pytest.fixture
def gateway(make_gateway: MakeGateway) -> Gateway:
    return make_gateway()


@pytest.fixture
def make_log() -> Iterator[Callable[..., Log]]:
    made: list[Log] = []

    def make(events: int, *, heartbeat: float = 15.0) -> Log:
        made.append(Log(events, heartbeat=heartbeat))
        return made[-1]

    yield make
    for log in made:
        log.stop()


@pytest.fixture
def make_proxy() -> Iterator[Callable[..., Proxy]]:
    made: list[Proxy] = []

    def make(target: str, treat: Callable[[int], Treatment] = lambda _: Treatment()) -> Proxy:
        made.append(Proxy(target, treat))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture(params=KINDS)
def reader(request: pytest.FixtureRequest) -> Reader:
    """Runs a test with the blocking client and with the asyncio one."""
    kind: Reader = request.param
    return kind
