"""Where a subscription's position is kept over restarts of the program."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Protocol, runtime_checkable


@runtime_checkable
class CursorStore(Protocol):
    """Holds the position of one subscription.

    Its methods are called one at a time, possibly from another thread than the subscription's. What they raise ends the
    subscription.
    """

    def load(self) -> str | None:
        """Return the saved cursor; None or an empty string if none was ever saved."""

    def save(self, cursor: str) -> None:
        """Replace the saved cursor, and return once that would survive a crash."""


@runtime_checkable
class AsyncCursorStore(Protocol):
    """A `CursorStore` for asyncio: the same, awaited."""

    async def load(self) -> str | None:
        """Return the saved cursor; None or an empty string if none was ever saved."""

    async def save(self, cursor: str) -> None:
        """Replace the saved cursor, and return once that would survive a crash."""


class FileCursor:
    """A `CursorStore` in a file of its own, replaced atomically and synced.

    Its folder must exist. Two subscriptions must not share a file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)

    def load(self) -> str | None:
        """Return the file's cursor; None if there is no file.

        Raises:
            OSError: The file can't be read.
            ValueError: It is empty: the position in it was lost.
        """
        try:
            with open(self._path, encoding="ascii") as file:
                cursor = file.read().strip()
        except FileNotFoundError:
            return None
        if not cursor:
            raise ValueError(
                f"straw: cursor file {self._path} is empty: the position in it was lost; remove the file to begin anew"
            )
        return cursor

    def save(self, cursor: str) -> None:
        """Replace the file's content. Raises OSError."""
        folder, name = os.path.split(os.path.abspath(self._path))
        fd, temporary = tempfile.mkstemp(dir=folder, prefix=name + ".")
        try:
            with open(fd, "w", encoding="ascii") as file:
                file.write(cursor + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make a rename in the folder durable, where folders can be opened."""
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
