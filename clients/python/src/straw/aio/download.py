"""Downloads of exports, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import BinaryIO

from straw._core.transfer import Transfer
from straw.aio._stubs import Exports, Stream
from straw.errors import StrawError
from straw.v1.export_service_pb2 import DownloadExportResponse

_CHUNK = 1 << 20


class Download:
    """An export's bytes, as an asynchronous iterator over pieces of some size. For one task.

    It resumes by itself when a connection is lost, and it only ends once the whole file was read and its SHA-256 is right.

    Iterating raises:
        StrawError: What a retry can't help, such as EXPORT_NOT_FOUND and EXPORT_NOT_AVAILABLE.
        ExportChangedError: A newer generation has taken the export's place: begin anew.
        ChecksumError: The bytes are not those that the gateway stored.
    """

    def __init__(self, exports: Exports, export: str, resume: BinaryIO | None) -> None:
        self._exports = exports
        self._transfer = Transfer(export)
        self._resume = resume
        self._call: Stream[DownloadExportResponse] | None = None
        self._pieces: AsyncIterator[DownloadExportResponse] | None = None

    @property
    def size(self) -> int:
        """The whole file's size in bytes; zero before the first piece."""
        return self._transfer.size

    @property
    def sha256(self) -> str:
        """The whole file's SHA-256, in lower-case hex; empty before the first piece."""
        return self._transfer.sha256

    @property
    def offset(self) -> int:
        """How many bytes of the file were read, those that were there before included."""
        return self._transfer.offset

    async def __aenter__(self) -> Download:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._resume is not None:
            await asyncio.to_thread(self._had, self._resume)
            self._resume = None
        while not self._transfer.complete:
            if data := await self._receive():
                return data
        self._transfer.verify()
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the download. Idempotent."""
        if self._call is not None:
            self._call.cancel()

    def _had(self, resume: BinaryIO) -> None:
        while data := resume.read(_CHUNK):
            self._transfer.had(data)

    async def _receive(self) -> bytes:
        """Return the next piece's bytes, over as many connections as that takes."""
        while True:
            error = None
            try:
                if self._call is None or self._pieces is None:
                    self._call = await self._exports.DownloadExport(self._transfer.request())
                    self._pieces = self._call.__aiter__()
                return self._transfer.received(await anext(self._pieces))
            except StopAsyncIteration:
                pass
            except StrawError as failure:
                error = failure
            self._call = None
            await asyncio.sleep(self._transfer.failed(error))
