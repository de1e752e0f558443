"""Write a laid-out file at the speed of the disk, within a few megabytes of memory.

The file is written in stages by several threads (:func:`expcore.write_stages`); each is filled
in pieces that are copied and checksummed while they are near the processor. A member's checksum
stands before its data: where it goes beyond a stage, the block with the checksum is kept, and
written once more when that is known.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from ckpt import _zip
from ckpt._npz import pieces
from expcore import crc32, crc32_combine, open_atomic, write_stages

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ckpt._npz import Plan

BLOCK = 4096
SMALL = 64 << 10
"""Arrays up to this size are copied in one go."""


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
    stages = _Stages(plan)
    with open_atomic(path) as file:
        write_stages(file, plan.end, stages.fill, progress=progress)
        for begin, block in stages.finish():
            file.seek(begin)
            file.write(block)
        file.seek(plan.end)
        file.write(_zip.directory(plan.members, stages.crcs, plan.end))


class _Stages:
    """Fills the stages of a file, in any order, by several threads."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.offsets = [member.offset for member in plan.members]
        self.crcs = [0] * len(plan.members)
        self.parts: list[tuple[int, int, int, int]] = []
        """Of members that no stage has whole: which, the stage, checksum and bytes of the part."""
        self.blocks: dict[int, bytearray] = {}
        """Blocks that wait for the checksum of such a member, by their place in the file."""

    def fill(self, view: memoryview, begin: int) -> None:
        """Fill a stage."""
        plan, crcs, end = self.plan, self.crcs, begin + len(view)
        header, waiting = _zip.local_header, set[int]()
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
            elif not self._fill_part(view, begin, row):
                waiting |= {at // BLOCK * BLOCK for at in _checksum(member) if begin <= at < end}
        for at in waiting:
            self.blocks[at] = bytearray(view[at - begin : at - begin + BLOCK])

    def _fill_part(self, view: memoryview, begin: int, row: int) -> bool:
        """Copy as much of a member as lies in a stage; whether that is all of it."""
        member, head, body = self.plan.members[row], self.plan.heads[row], self.plan.bodies[row]
        data, end = member.start + len(head), begin + len(view)
        buffer = np.frombuffer(view, np.uint8)
        is_begun_here = begin <= member.offset
        crc = crc32(head) if is_begun_here else 0
        low, high = (min(max(at - data, 0), body.nbytes) for at in (begin, end))
        length = high - low + (len(head) if is_begun_here else 0)
        place = data + low - begin
        for piece in pieces(body, low, high):
            target = buffer[place : place + len(piece)]
            target[:] = piece
            crc = crc32(target, crc)  # of what is written, whoever changes the array meanwhile
            place += len(piece)
        text = _zip.local_header(member, crc) + head
        low, high = max(member.offset, begin), min(data, end)
        if low < high:
            view[low - begin : high - begin] = text[low - member.offset : high - member.offset]
        if is_begun_here and member.start + member.size <= end:
            self.crcs[row] = crc
            return True
        self.parts.append((row, begin, crc, length))
        return False

    def finish(self) -> list[tuple[int, bytearray]]:
        """The blocks that waited, with their checksums, in order."""
        for row, _, crc, length in sorted(self.parts):
            self.crcs[row] = crc32_combine(self.crcs[row], crc, length)
        for row in {part[0] for part in self.parts}:
            places = _checksum(self.plan.members[row])
            for at, byte in zip(places, self.crcs[row].to_bytes(4, "little"), strict=True):
                self.blocks[at // BLOCK * BLOCK][at % BLOCK] = byte
        return sorted(self.blocks.items())


def _checksum(member: _zip.Member) -> range:
    """Where the checksum of a member stands."""
    return range(member.offset + _zip.CRC_AT, member.offset + _zip.CRC_AT + 4)
