"""A download across its connections."""

from __future__ import annotations

import hashlib

import grpc

from straw._core.backoff import jitter
from straw._core.progress import log
from straw.errors import ChecksumError, ExportChangedError, StrawError
from straw.v1.export_service_pb2 import DownloadExportRequest, DownloadExportResponse

_MAX_FAILURES = 8
"""Connections in a row that may fail without a byte."""


class Transfer:
    """How far a download is, and what its file should be."""

    def __init__(self, export: str) -> None:
        self._export = export
        self._sum = hashlib.sha256()
        self._failures = 0
        self.offset = 0
        """Bytes that were received or were there before."""
        self.size = 0
        """The whole file's size in bytes; zero before the first answer."""
        self.sha256 = ""
        """The whole file's, in lower-case hex; empty before the first answer."""

    def had(self, data: bytes) -> None:
        """Count in what an earlier download has brought."""
        self._sum.update(data)
        self.offset += len(data)

    @property
    def complete(self) -> bool:
        """Whether every byte was received."""
        return self.sha256 != "" and self.offset == self.size

    def request(self) -> DownloadExportRequest:
        """Return the request that goes on from here."""
        return DownloadExportRequest(id=self._export, offset=self.offset)

    def received(self, piece: DownloadExportResponse) -> bytes:
        """Return a piece's bytes. Raise if it isn't the one that follows."""
        if self.sha256 not in ("", piece.sha256):
            raise ExportChangedError
        if piece.offset != self.offset:
            raise StrawError(
                grpc.StatusCode.DATA_LOSS,
                f"the gateway sent byte {piece.offset} of the export instead of {self.offset}",
                own=True,
            )
        self._failures = 0
        self.sha256, self.size = piece.sha256, piece.total_bytes
        self.had(piece.data)
        return piece.data

    def failed(self, error: StrawError | None) -> float:
        """Return the seconds to wait before going on after a connection ended, None with OK. Raise what that can't help."""
        if error is None:  # it wouldn't have been asked for more; some proxies cut streams so
            error = StrawError(grpc.StatusCode.UNAVAILABLE, "the stream ended before the file did")
        self._failures += 1
        if not error.retryable or self._failures == _MAX_FAILURES:
            raise error
        delay = jitter(self._failures)
        log.info("download of export %s goes on at byte %d in %.2f s: %s", self._export, self.offset, delay, error)
        return delay

    def verify(self) -> None:
        """Raise ChecksumError unless the file is what it should be."""
        got = self._sum.hexdigest()
        if got != self.sha256:
            raise ChecksumError(got, self.sha256)
