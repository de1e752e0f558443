"""Read on where a stream broke; give the same bytes to every attempt at writing them."""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from expcore._data import copy
from expcore.errors import IntegrityError, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from expcore._data import Data
    from expcore._retry import Retry
    from expcore._storage import Storage

SPOOL_BYTES = 8 << 20


class ValueChanged(IntegrityError):
    """A value was replaced while it was being read, after its stream broke."""

    remedy = "read it again from its start"


class Resuming(io.RawIOBase):
    """Reads a value, and opens it again at the same place when that fails."""

    def __init__(
        self, storage: Storage, retry: Retry, key: str, start: int, stop: int | None
    ) -> None:
        self._storage, self._retry, self._key = storage, retry, key
        self._place, self._stop = start, stop
        self._file: BinaryIO | None = None  # for close(), should opening fail
        self._file = retry.call(lambda: storage.open_read(key, start, stop))
        self._version = getattr(self._file, "version", None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._retry.call(lambda: self._read_once(buffer))

    def _read_once(self, buffer: Any) -> int:
        if self._file is None:
            file = self._storage.open_read(self._key, self._place, self._stop)
            if self._version is None or getattr(file, "version", None) != self._version:
                file.close()
                detail = "the connection broke, and the value may have changed since"
                raise ValueChanged(self._storage.url, f"read {self._key!r}", detail)
            self._file = file
        try:
            piece = self._file.read(len(buffer))
        except StorageUnavailable:
            self._file.close()
            self._file = None
            raise
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


@contextmanager
def replayable(data: Data) -> Generator[Callable[[], Data]]:
    """Yield a function that gives the same bytes each time; a stream is kept in a file."""
    if isinstance(data, Path) or not hasattr(data, "read"):
        yield lambda: data
        return
    stream = cast("BinaryIO", data)
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
        if not stream.seekable():
            copy(stream, cast("BinaryIO", spool))
            stream = cast("BinaryIO", spool)
            stream.seek(0)
        start = stream.tell()

        def again() -> BinaryIO:
            stream.seek(start)
            return stream

        yield again
