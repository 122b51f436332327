"""Downloads, from a shelf that serves one file over the real service definition and ends calls as told."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, Protocol

import grpc
import pytest
from reading import LONG
from scripted import fail

import straw
import straw.aio
from straw.v1.export_service_pb2 import DownloadExportRequest, DownloadExportResponse
from straw.v1.export_service_pb2_grpc import ExportServiceServicer, add_ExportServiceServicer_to_server

FILE = b"0123456789" * 12_345
Cut = Callable[[int], "tuple[int, str | None]"]
"""Tells for a call after how many bytes it ends, and with which reason; None is OK."""


class Shelf(ExportServiceServicer):
    def __init__(self, file: bytes = FILE, sha256: str = "", cut: Cut = lambda _: (1 << 40, None)) -> None:
        self.file = file
        self.sha256 = sha256
        self.cut = cut
        self.offsets: list[int] = []

    def DownloadExport(self, request: DownloadExportRequest, context: Any) -> Iterator[DownloadExportResponse]:
        self.offsets.append(request.offset)
        file = self.file
        after, reason = self.cut(len(self.offsets))
        sha256 = self.sha256 or hashlib.sha256(file).hexdigest()
        offset, end = request.offset, min(request.offset + after, len(file))
        while offset < end or (after and offset == len(file) == request.offset):
            data = file[offset : min(offset + 1000, end)]
            yield DownloadExportResponse(data=data, offset=offset, total_bytes=len(file), sha256=sha256)
            offset += len(data)
            if not data:
                return
        if reason is not None and end < len(file):
            fail(context, CODES.get(reason, grpc.StatusCode.UNAVAILABLE), reason)


CODES = {"EXPORT_NOT_AVAILABLE": grpc.StatusCode.FAILED_PRECONDITION, "STORE_CORRUPT": grpc.StatusCode.DATA_LOSS}


@pytest.fixture
def serve() -> Iterator[Callable[[Shelf], str]]:
    servers: list[grpc.Server] = []

    def serve(shelf: Shelf) -> str:
        server = grpc.server(futures.ThreadPoolExecutor(4))
        add_ExportServiceServicer_to_server(shelf, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield serve
    for server in servers:
        server.stop(0).wait(10)


class Fetch(Protocol):
    def __call__(self, address: str, resume: bytes | None = None) -> bytes: ...


def fetch_blocking(address: str, resume: bytes | None = None) -> bytes:
    with straw.Client(address) as client:
        with client.download("exp_1", resume=None if resume is None else io.BytesIO(resume)) as download:
            got = download.read()
            assert download.offset == download.size
            assert got is not None
            return got


def fetch_async(address: str, resume: bytes | None = None) -> bytes:
    async def fetch() -> bytes:
        async with straw.aio.Client(address) as client:
            async with client.download("exp_1", resume=None if resume is None else io.BytesIO(resume)) as download:
                pieces = [piece async for piece in download]
                assert download.offset == download.size
                return b"".join(pieces)

    return asyncio.run(asyncio.wait_for(fetch(), LONG))


@pytest.fixture(params=[fetch_blocking, fetch_async])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    kind: Fetch = request.param
    return kind


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda _: (1 << 40, None), id="at once"),
        pytest.param(lambda call: (len(FILE) * 6 // 10 if call == 1 else 1 << 40, ""), id="cut at 60 %"),
        pytest.param(lambda call: (3000 if call <= 30 else 1 << 40, ""), id="cut often"),
        pytest.param(lambda call: (0 if call <= 3 else 1 << 40, ""), id="refused at first"),
        pytest.param(lambda call: (5000 if call <= 2 else 1 << 40, None), id="ended early"),
    ],
)
def test_download(serve: Callable[[Shelf], str], fetch: Fetch, cut: Cut) -> None:
    shelf = Shelf(cut=cut)
    assert fetch(serve(shelf)) == FILE
    assert shelf.offsets == sorted(shelf.offsets)


@pytest.mark.parametrize("have", [0, 1, 6000, len(FILE)])
def test_resumes_a_file(serve: Callable[[Shelf], str], fetch: Fetch, have: int) -> None:
    shelf = Shelf()
    assert fetch(serve(shelf), FILE[:have]) == FILE[have:]
    assert shelf.offsets == [have]


def test_resumes_other_bytes(serve: Callable[[Shelf], str], fetch: Fetch) -> None:
    with pytest.raises(straw.ChecksumError) as raised:
        fetch(serve(Shelf()), b"other bytes")
    assert raised.value.code is grpc.StatusCode.DATA_LOSS


@pytest.mark.parametrize(
    ("shelf", "reason", "calls"),
    [
        pytest.param(Shelf(cut=lambda _: (0, "EXPORT_NOT_AVAILABLE")), "EXPORT_NOT_AVAILABLE", 1, id="not available"),
        pytest.param(Shelf(cut=lambda _: (3000, "STORE_CORRUPT")), "STORE_CORRUPT", 1, id="corrupt"),
        pytest.param(Shelf(b"x", "0" * 64), "", 1, id="wrong bytes"),
        pytest.param(Shelf(cut=lambda _: (0, "DRAINING")), "DRAINING", 8, id="no byte in eight calls"),
    ],
)
def test_fails(
    serve: Callable[[Shelf], str], fetch: Fetch, monkeypatch: pytest.MonkeyPatch, shelf: Shelf, reason: str, calls: int
) -> None:
    monkeypatch.setattr("random.uniform", lambda _, high: high / 1000)
    shelf.offsets.clear()
    with pytest.raises(straw.StrawError) as raised:
        fetch(serve(shelf))
    assert raised.value.reason == reason
    assert len(shelf.offsets) == calls


def test_another_generation(serve: Callable[[Shelf], str], fetch: Fetch) -> None:
    shelf = Shelf(b"1" * 5000)

    def cut(call: int) -> tuple[int, str | None]:
        shelf.file = b"2" * 5000
        return (3000, "") if call == 1 else (1 << 40, None)

    shelf.cut = cut
    with pytest.raises(straw.ExportChangedError) as raised:
        fetch(serve(shelf))
    assert raised.value.code is grpc.StatusCode.ABORTED


def test_a_closed_download_cannot_be_read(serve: Callable[[Shelf], str]) -> None:
    with straw.Client(serve(Shelf())) as client:
        download = client.download("exp_1")
        assert download.read(5) == FILE[:5]
        assert download.offset == 5
        download.close()
        download.close()
        with pytest.raises(ValueError, match="closed"):
            download.read(5)
