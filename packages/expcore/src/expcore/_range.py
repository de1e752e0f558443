"""A range of a file as a file of its own."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class Range(io.RawIOBase):
    """The bytes of a file from `start` up to `stop`, counted from 0."""

    def __init__(self, file: BinaryIO, start: int, stop: int | None) -> None:
        self._file = file
        size = os.fstat(file.fileno()).st_size
        self._start = min(start, size)
        self._stop = size if stop is None else max(self._start, min(stop, size))
        file.seek(self._start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = max(0, self._stop - self._file.tell())
        piece = self._file.read(min(len(buffer), left))
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._file.tell(), io.SEEK_END: self._stop}
        return self._file.seek(max(self._start, base[whence] + offset)) - self._start

    def close(self) -> None:
        self._file.close()
        super().close()
