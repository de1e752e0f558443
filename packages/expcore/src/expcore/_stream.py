"""Write buffers to a file descriptor, past the page cache when they are large.

Buffered writes of many gigabytes fill the page cache, and the sync that follows waits for all
of them. Direct writes go to the disk at its own speed, but need memory, offset and length in
multiples of the block size: what is not aligned passes through a buffer that is.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows: all writes are buffered
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer

BLOCK_BYTES = 4096
STAGE_BYTES = 8 << 20
"""Writes from this size on are direct; also the size of one direct write."""
_REFUSED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}


def write_all(
    descriptor: int,
    data: Buffer | Iterable[Buffer],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a buffer, or several one after another, to an empty file.

    Args:
        descriptor: Open for writing, at offset 0.
        data: What to write.
        progress: Called with the number of bytes written since its last call.

    Raises:
        OSError: Not all could be written.
        TypeError: Something has no bytes.
    """
    writer = _Writer(descriptor, progress)
    whole = _as_view(data)
    if whole is None:
        for buffer in data:  # type: ignore[union-attr]  # no buffer, so an iterable
            view = _as_view(buffer)
            if view is None:
                raise TypeError(f"cannot write {type(buffer).__name__}; it has no bytes")
            writer.add(view)
        writer.finish()
    elif len(whole) < STAGE_BYTES:
        writer.write_buffered(whole)
    else:
        reserve(descriptor, len(whole))
        writer.add(whole)
        writer.finish()


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


def _as_view(data: object) -> memoryview | None:
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        return None
    if not view.c_contiguous:
        raise ValueError("cannot write a buffer with gaps; make it contiguous first")
    return view.cast("B") if view.nbytes else memoryview(b"")


class _Writer:
    """Hands on what is aligned as it lies, and collects the rest until it is."""

    def __init__(self, descriptor: int, progress: Callable[[int], object] | None) -> None:
        self.descriptor = descriptor
        self.progress = progress
        self.stage: mmap.mmap | None = None
        self.staged = 0
        self.direct = False
        self.can_be_direct = fcntl is not None and hasattr(os, "O_DIRECT")

    def add(self, view: memoryview) -> None:
        if self.staged == 0 and len(view) >= STAGE_BYTES:
            view = view[self._write_direct(view) :]
        while view:
            if self.stage is None:
                self.stage = mmap.mmap(-1, STAGE_BYTES)  # starts on a page
            count = min(len(view), STAGE_BYTES - self.staged)
            self.stage[self.staged : self.staged + count] = view[:count]
            self.staged += count
            view = view[count:]
            if self.staged == STAGE_BYTES:
                self._empty_stage()

    def finish(self) -> None:
        self._empty_stage()
        if self.stage is not None:
            self.stage.close()

    def write_buffered(self, view: memoryview) -> None:
        self._set_direct(on=False)
        while view:
            view = view[self._write_some(view) :]

    def _empty_stage(self) -> None:
        if self.stage is None or not self.staged:
            return
        with memoryview(self.stage) as whole, whole[: self.staged] as view:
            done = self._write_direct(view) if self.staged == STAGE_BYTES else 0
            if done < self.staged:
                # What is not a whole stage is the end of the file, or direct writes failed.
                self.can_be_direct = False
                with view[done:] as rest:
                    self.write_buffered(rest)
        self.staged = 0

    def _write_direct(self, view: memoryview) -> int:
        """Write a view's whole blocks without copying; return how many bytes were written."""
        done, whole = 0, len(view) - len(view) % BLOCK_BYTES
        if not self.can_be_direct or not self._set_direct(on=True):
            return done
        while done < whole:
            try:
                count = self._write_some(view[done : min(done + STAGE_BYTES, whole)])
            except OSError as error:
                if error.errno in _REFUSED:  # by the file system, or this memory is not aligned
                    break
                raise
            done += count
            if count % BLOCK_BYTES:  # a short write left the file between two blocks
                self.can_be_direct = False
                break
        return done

    def _set_direct(self, *, on: bool) -> bool:
        """Switch direct writes; return whether they are as wanted."""
        if on != self.direct and fcntl is not None:
            try:
                flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
                flags = flags | os.O_DIRECT if on else flags & ~os.O_DIRECT
                fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags)
            except OSError:
                self.can_be_direct = False
                return False
            self.direct = on
        return True

    def _write_some(self, view: memoryview) -> int:
        with view[:STAGE_BYTES] as piece:
            count = os.write(self.descriptor, piece)
        if self.progress is not None:
            self.progress(count)
        return count
