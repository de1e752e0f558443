"""Write a large file past the page cache, several blocks at a time.

Bytes are gathered in page-aligned blocks of 8 MiB; threads write full blocks with ``O_DIRECT``
while the next one fills. What is left at the end goes through the ordinary file. Where the system
or the file system knows no direct I/O, everything does.
"""

from __future__ import annotations

import errno
import mmap
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._bytes import Buffer

BLOCK_BYTES = 8 << 20
WORTH_IT_BYTES = 64 << 20
_THREADS = 3


class Sink(Protocol):
    """What a file is written to."""

    def write(self, data: Buffer, /) -> object:
        """Append the bytes."""
        ...


@contextmanager
def fast_sink(file: BinaryIO, expected: int) -> Generator[Sink]:
    """Give the fastest way to write a file from its beginning.

    Args:
        file: Empty, open for writing.
        expected: About how many bytes it will take.

    Raises:
        OSError: The bytes could not be written.
    """
    descriptor = _open_direct(file) if expected >= WORTH_IT_BYTES else -1
    if descriptor < 0:
        yield file
        return
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            sink = _DirectSink(file, descriptor, pool)
            yield sink
            sink.finish()
    finally:
        os.close(descriptor)


class _DirectSink:
    def __init__(self, file: BinaryIO, descriptor: int, pool: ThreadPoolExecutor) -> None:
        self._file, self._direct, self._pool = file, descriptor, pool
        self._blocks = [mmap.mmap(-1, BLOCK_BYTES) for _ in range(_THREADS + 1)]
        self._pending: list[Future[None] | None] = [None] * len(self._blocks)
        self._current = 0
        self._filled = 0
        self._at = 0

    def write(self, data: Buffer, /) -> None:
        view = memoryview(data)
        while view:
            count = min(len(view), BLOCK_BYTES - self._filled)
            self._blocks[self._current][self._filled : self._filled + count] = view[:count]
            self._filled += count
            view = view[count:]
            if self._filled == BLOCK_BYTES:
                self._send()

    def finish(self) -> None:
        """Wait for the blocks under way, and write what is left."""
        for future in self._pending:
            if future is not None:
                future.result()
        self._file.seek(self._at)
        self._file.write(memoryview(self._blocks[self._current])[: self._filled])

    def _send(self) -> None:
        block = self._blocks[self._current]
        self._pending[self._current] = self._pool.submit(self._write_block, block, self._at)
        self._at += BLOCK_BYTES
        self._filled = 0
        self._current = (self._current + 1) % len(self._blocks)
        if (busy := self._pending[self._current]) is not None:
            busy.result()

    def _write_block(self, block: mmap.mmap, at: int) -> None:
        view = memoryview(block)
        try:
            done = os.pwrite(self._direct, view, at)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            done = 0  # a file system that opens files for direct I/O, and then has none
        while done < BLOCK_BYTES:
            done += os.pwrite(self._file.fileno(), view[done:], at + done)


def _open_direct(file: BinaryIO) -> int:
    """Open the same file for direct I/O, or return -1."""
    flag = getattr(os, "O_DIRECT", 0)
    if not flag:
        return -1
    try:
        return os.open(f"/proc/self/fd/{file.fileno()}", os.O_WRONLY | flag)
    except OSError:
        return -1
