"""Write a laid-out file at the speed of the disk, within a few megabytes of memory.

The file is cut into stages of 8 MiB. A few threads fill an aligned buffer each with the bytes of
a stage, copying and checksumming in pieces that stay near the processor, and write it past the
page cache. A member's checksum stands before its data: where both lie in one stage it is filled
in there, otherwise it is combined from those of the parts and patched at the end.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from bisect import bisect_right
from queue import LifoQueue
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from ckpt import _zip
from ckpt._crc import combine, crc32
from ckpt._npz import pieces
from expcore import open_atomic

try:
    import fcntl
except ImportError:  # Windows: all writes are buffered
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ckpt._dtypes import Array
    from ckpt._npz import Plan

STAGE = 8 << 20
"""Bytes that are written at once; a smaller file is written as any other."""
BLOCK = 4096
THREADS = 3
SMALL = 64 << 10
"""Arrays up to this size are copied in one go."""
Part: TypeAlias = tuple[int, int, int]
"""Which member, the checksum of a part of its data, and the bytes of the part."""
Stage: TypeAlias = tuple[int, bytes, list[Part]]
"""The bytes of a stage, those not yet written, and the members that go beyond it."""
REFUSED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}


def write_npz(
    path: str | os.PathLike[str], plan: Plan, progress: Callable[[int], object] | None = None
) -> None:
    """Write a file, atomically and durably.

    Args:
        path: The target.
        plan: What goes where.
        progress: Called with the number of bytes written since its last call.

    Raises:
        OSError: It could not be written; an older file is as it was.
    """
    with open_atomic(path) as file:
        _Writer(file.fileno(), plan).write(progress)


class _Writer:
    def __init__(self, descriptor: int, plan: Plan) -> None:
        self.descriptor, self.plan = descriptor, plan
        self.offsets = [member.offset for member in plan.members]
        self.crcs = [0] * len(plan.members)
        self.stage = STAGE
        self.direct = False
        self.lock = threading.Lock()
        self.buffers: LifoQueue[Array] = LifoQueue()

    def write(self, progress: Callable[[int], object] | None) -> None:
        """Write everything."""
        begins = range(0, self.plan.end, self.stage)
        single = len(begins) == 1
        if not single:
            self._reserve()
            self._set_direct(on=True)
        for _ in range(1 if single else THREADS):
            # Such memory starts on a page, as direct writes need; it is there only when used.
            size = -(-self.plan.end // BLOCK) * BLOCK if single else self.stage
            self.buffers.put(np.frombuffer(mmap.mmap(-1, size), np.uint8))
        rest, partial = b"", list[Part]()
        for done, tail, parts in map(self._write_stage, begins) if single else self._each(begins):
            rest = tail
            partial += parts
            if progress is not None:
                progress(done)
        self._set_direct(on=False)
        self._patch(partial)
        last = _zip.directory(self.plan.members, self.crcs, self.plan.end)
        self._write_at(memoryview(rest + last), self.plan.end - len(rest))

    def _each(self, begins: range) -> Iterator[Stage]:
        from concurrent.futures import ThreadPoolExecutor  # imports logging

        with ThreadPoolExecutor(THREADS, "ckpt-write") as pool:
            yield from pool.map(self._write_stage, begins)

    def _write_stage(self, begin: int) -> Stage:
        """Fill a stage and write its blocks; what is left of it, and checksums of parts."""
        buffer = self.buffers.get()
        try:
            end = min(begin + self.stage, self.plan.end)
            parts = self._fill(buffer, begin, end)
            whole = end - begin
            if end == self.plan.end:  # the central directory follows on what fills no block
                whole -= whole % BLOCK
            self._write_at(memoryview(cast("Any", buffer))[:whole], begin)
            return end - begin, buffer[whole : end - begin].tobytes(), parts
        finally:
            self.buffers.put(buffer)

    def _fill(self, buffer: Array, begin: int, end: int) -> list[Part]:
        plan, crcs, view = self.plan, self.crcs, memoryview(cast("Any", buffer))
        parts: list[Part] = []
        header = _zip.local_header
        for row in range(bisect_right(self.offsets, begin) - 1, len(plan.members)):
            member = plan.members[row]
            _, offset, start, size = member
            if offset >= end:
                break
            stop = start + size
            if offset >= begin and stop <= end and size <= SMALL:
                head, data = plan.heads[row], plan.bodies[row].tobytes("A")
                crcs[row] = crc = crc32(data, crc32(head))
                view[offset - begin : stop - begin] = header(member, crc) + head + data
                continue
            crc, length = self._fill_part(buffer, begin, end, row)
            if offset >= begin and stop <= end:
                crcs[row] = crc
                at = offset - begin + _zip.CRC_AT
                view[at : at + 4] = crc.to_bytes(4, "little")
            else:
                parts.append((row, crc, length))
        return parts

    def _fill_part(self, buffer: Array, begin: int, end: int, row: int) -> tuple[int, int]:
        """Copy as much of a member as lies in a stage; the checksum of its data there."""
        member, head = self.plan.members[row], self.plan.heads[row]
        crc = length = 0
        at = member.offset
        for text, counts in ((_zip.local_header(member, 0), False), (head, True)):
            low, high = max(at, begin), min(at + len(text), end)
            if low < high:
                part = text[low - at : high - at]
                buffer[low - begin : high - begin] = np.frombuffer(part, np.uint8)
                if counts:
                    crc, length = crc32(part, crc), length + len(part)
            at += len(text)
        low, high = max(at, begin), min(member.start + member.size, end)
        place = low - begin
        for piece in pieces(self.plan.bodies[row], low - at, high - at):
            target = buffer[place : place + len(piece)]
            target[:] = piece
            crc = crc32(target, crc)
            place += len(piece)
        return crc, length + max(0, high - low)

    def _patch(self, parts: list[Part]) -> None:
        rows = dict[int, None]()
        for row, crc, length in parts:
            self.crcs[row] = combine(self.crcs[row], crc, length)
            rows[row] = None
        for row in rows:
            text = memoryview(self.crcs[row].to_bytes(4, "little"))
            self._write_at(text, self.offsets[row] + _zip.CRC_AT)

    def _reserve(self) -> None:
        """Have a full disk noticed before the first byte is written."""
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self.descriptor, 0, self.plan.end)
            except OSError as error:
                if error.errno not in REFUSED:
                    raise

    def _set_direct(self, *, on: bool) -> None:
        """Switch direct writes, where the system has them."""
        if on == self.direct or fcntl is None or not hasattr(os, "O_DIRECT"):
            return
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
        flags = flags | os.O_DIRECT if on else flags & ~os.O_DIRECT
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags)
        except OSError:
            if on:  # the file system has none
                return
            raise
        # Last: a thread that reads False may count on the flag being gone.
        self.direct = on

    def _write_at(self, view: memoryview, offset: int) -> None:
        while view:
            direct = self.direct
            try:
                count = self._write_some(view, offset)
            except OSError as error:
                if not direct or error.errno not in REFUSED:
                    raise
                # Some file systems take the flag and refuse the write.
                with self.lock:
                    self._set_direct(on=False)
                continue
            view, offset = view[count:], offset + count

    def _write_some(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self.descriptor, view, offset)
        with self.lock:
            os.lseek(self.descriptor, offset, os.SEEK_SET)
            return os.write(self.descriptor, view)
