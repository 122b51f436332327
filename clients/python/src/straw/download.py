"""Downloads of exports, as a file to read."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from straw._core.transfer import Transfer
from straw._stubs import Exports, Stream
from straw.errors import StrawError
from straw.v1.export_service_pb2 import DownloadExportResponse

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 1 << 20


class Download(io.RawIOBase):
    """An export's bytes, as a binary file that is read once, in one thread.

    It resumes by itself when a connection is lost, and its end is only reached once the whole file was read and its SHA-256
    is right. Close it when done, best by `with`.

    Reading raises:
        StrawError: What a retry can't help, such as EXPORT_NOT_FOUND and EXPORT_NOT_AVAILABLE.
        ExportChangedError: A newer generation has taken the export's place: begin anew.
        ChecksumError: The bytes are not those that the gateway stored.
    """

    def __init__(self, exports: Exports, export: str, resume: BinaryIO | None) -> None:
        super().__init__()
        self._exports = exports
        self._transfer = Transfer(export)
        while resume is not None and (data := resume.read(_CHUNK)):
            self._transfer.had(data)
        self._closing = threading.Event()
        self._call: Stream[DownloadExportResponse] | None = None
        self._pieces: Iterator[DownloadExportResponse] = iter(())
        self._rest = memoryview(b"")
        self._verified = False
        self._rest = memoryview(self._receive())

    @property
    def size(self) -> int:
        """The whole file's size in bytes."""
        return self._transfer.size

    @property
    def sha256(self) -> str:
        """The whole file's SHA-256, in lower-case hex."""
        return self._transfer.sha256

    @property
    def offset(self) -> int:
        """How many bytes of the file were read, those that were there before included."""
        return self._transfer.offset - len(self._rest)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read some bytes into a buffer, and return how many; 0 at the end."""
        if self.closed:
            raise ValueError("read of a closed download")
        while not self._rest:
            if self._transfer.complete:
                if not self._verified:
                    self._transfer.verify()
                    self._verified = True
                return 0
            self._rest = memoryview(self._receive())
        target = memoryview(buffer).cast("B")
        n = min(len(target), len(self._rest))
        target[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n

    def close(self) -> None:
        """End the download. Idempotent; from any thread, to end a read that waits."""
        if not self.closed:
            self._closing.set()
            if self._call is not None:
                self._call.cancel()
        super().close()

    def _receive(self) -> bytes:
        """Return the next piece's bytes, over as many connections as that takes."""
        while True:
            error = None
            if self._call is None:
                self._call = self._exports.DownloadExport(self._transfer.request())
                self._pieces = iter(self._call)
            try:
                piece = next(self._pieces, None)
            except StrawError as failure:
                piece, error = None, failure
            if piece is not None:
                return self._transfer.received(piece)
            self._call = None
            if self._closing.wait(self._transfer.failed(error)):
                raise ValueError("the download was closed")
