"""Write large files past the page cache, a few stages at once.

Buffered writes of many gigabytes fill the page cache, and the sync that follows waits for all
of them. Direct writes go to the disk at its own speed, but need memory, offset and length in
multiples of the block size, and several at once to keep a disk busy. So a file is cut into
stages of 8 MiB; each is made in an aligned buffer and written from it, by a few threads. Where
the system or the file system has no direct writes, they are ordinary ones.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, Generic, Self, TypeVar

try:
    import fcntl
except ImportError:  # Windows: all writes are buffered
    fcntl = None  # type: ignore[assignment]

from expcore._pages import anonymous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

STAGE_BYTES = 8 << 20
BLOCK_BYTES = 4096
THREADS = 3
_REFUSED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}
T = TypeVar("T")


def write_stages(
    file: BinaryIO,
    size: int,
    fill: Callable[[memoryview, int], T],
    *,
    progress: Callable[[int], object] | None = None,
) -> list[T]:
    """Write a file whose size is known, in stages that several threads make and write.

    Args:
        file: Empty, open for writing; afterwards it can be written as before, anywhere.
        size: Bytes of the file. Space for them is reserved first.
        fill: Called with a buffer and its place in the file, fills all of the buffer. It is
            called from several threads; the buffer is not to be kept.
        progress: Called with the number of bytes written since its last call.

    Returns:
        What ``fill`` returned, in the order of the file.

    Raises:
        OSError: Not all could be written.

    >>> import expcore
    >>> with expcore.open_atomic("zeros.bin") as file:
    ...     write_stages(file, 5, lambda buffer, begin: len(buffer))
    [5]
    """
    file.flush()

    def make(begin: int) -> tuple[int, T]:
        stage = writer.take()
        length = min(STAGE_BYTES, size - begin)
        with stage[:length] as buffer:
            made = fill(buffer, begin)
        return writer.write(stage, length, begin), made

    results: list[T] = []

    def note(done: Iterable[tuple[int, T]]) -> None:
        for length, made in done:
            results.append(made)
            if progress is not None:
                progress(length)

    with StageWriter(file.fileno(), size) as writer, Workers[tuple[int, T]]() as workers:
        if 0 < size <= STAGE_BYTES:
            note([make(0)])
        else:
            for begin in range(0, size, STAGE_BYTES):
                note(workers.do(make, begin))
            note(workers.rest())
    return results


class Workers(Generic[T]):
    """A few threads that are begun when they are needed; results come in the order of the work."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._running: deque[Future[T]] = deque()
        self._has_threads = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def do(self, function: Callable[..., T], *args: object) -> list[T]:
        """Have something done; return the result that was waited for to make room, if any."""
        if not self._has_threads:
            return [function(*args)]
        try:
            if self._pool is None:
                from concurrent.futures import ThreadPoolExecutor  # imports logging

                self._pool = ThreadPoolExecutor(THREADS, "expcore-write")
            self._running.append(self._pool.submit(function, *args))
        except RuntimeError as error:
            # Python takes on no work while it exits; what it took before is still done.
            if self._running and "shutdown" not in str(error):
                raise
            self._has_threads = False
            return [*self.rest(), function(*args)]
        return [self._running.popleft().result()] if len(self._running) > THREADS else []

    def rest(self) -> Iterator[T]:
        """Wait for all that is not yet done."""
        while self._running:
            yield self._running.popleft().result()


class StageWriter:
    """An empty file for writes of whole stages, from several threads.

    Args:
        descriptor: Open for writing.
        size: Bytes to reserve; 0 if that is not known.
    """

    def __init__(self, descriptor: int, size: int = 0) -> None:
        self._descriptor = descriptor
        self._direct = False
        self._can_be_direct = hasattr(os, "O_DIRECT")
        self._lock = threading.Lock()
        self._free: list[memoryview] = []
        self._end: tuple[bytes, int] = b"", 0
        if size > STAGE_BYTES:
            reserve(descriptor, size)
            self.go_direct()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            self._switch(on=False)
        if kind is None:
            self._write(memoryview(self._end[0]), self._end[1])

    def go_direct(self) -> None:
        """Write past the page cache from now on; no other thread may be writing yet."""
        with self._lock:
            self._switch(on=True)

    def take(self) -> memoryview:
        """Lend memory for a stage; it starts on a page, and is there only when used."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(anonymous(STAGE_BYTES))

    def write(self, stage: memoryview, length: int, offset: int) -> int:
        """Write a stage and take its memory back; the last one may be shorter.

        Returns:
            How many bytes those were.
        """
        whole = length - length % BLOCK_BYTES if self._direct else length
        with stage[:whole] as blocks:
            self._write(blocks, offset)
        if whole < length:
            self._end = bytes(stage[whole:length]), offset + whole
        self._free.append(stage)
        return length

    def _write(self, view: memoryview, offset: int) -> None:
        done = 0
        while done < len(view):
            direct = self._direct
            try:
                with view[done:] as rest:
                    done += self._write_some(rest, offset + done)
            except OSError as error:
                if not direct or error.errno not in _REFUSED:
                    raise
                # Some file systems take the flag and refuse the write; and none goes on from
                # a short one that ended within a block.
                with self._lock:
                    self._can_be_direct = False
                    self._switch(on=False)

    def _write_some(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._descriptor, view, offset)
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.write(self._descriptor, view)

    def _switch(self, *, on: bool) -> None:
        if fcntl is None or on == self._direct or (on and not self._can_be_direct):
            return
        try:
            flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
            flags = flags | os.O_DIRECT if on else flags & ~os.O_DIRECT
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags)
        except OSError:
            if not on:
                raise
            self._can_be_direct = False  # the file system has none
            return
        # Last: a thread that reads False may count on the flag being gone.
        self._direct = on


def reserve(descriptor: int, size: int) -> None:
    """Have a full disk noticed before the first byte is written.

    Raises:
        OSError: There is no room for ``size`` bytes.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
