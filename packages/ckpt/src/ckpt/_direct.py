"""Write a laid-out file at the speed of the disk, within a few megabytes of memory.

The file is written in stages by several threads (:func:`expcore.write_stages`); each is filled
in pieces that are copied and checksummed while they are near the processor. A member's checksum
stands before its data, so the stage in which it begins also reads what follows beyond it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from ckpt import _zip
from ckpt._npz import pieces
from expcore import crc32, open_atomic, write_stages

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ckpt._npz import Plan

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
        file.seek(plan.end)
        file.write(_zip.directory(plan.members, stages.crcs, plan.end))


class _Stages:
    """Fills the stages of a file, in any order, by several threads."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.offsets = [member.offset for member in plan.members]
        self.crcs = [0] * len(plan.members)

    def fill(self, view: memoryview, begin: int) -> None:
        """Fill a stage."""
        plan, crcs, end = self.plan, self.crcs, begin + len(view)
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
            else:
                self._fill_part(view, begin, row)

    def _fill_part(self, view: memoryview, begin: int, row: int) -> None:
        """Copy as much of a member as lies in a stage."""
        member, head, body = self.plan.members[row], self.plan.heads[row], self.plan.bodies[row]
        data, end = member.start + len(head), begin + len(view)
        buffer = np.frombuffer(view, np.uint8)
        is_begun_here = begin <= member.offset
        crc = crc32(head)
        low, high = (min(max(at - data, 0), body.nbytes) for at in (begin, end))
        place = data + low - begin
        for piece in pieces(body, low, high):
            target = buffer[place : place + len(piece)]
            target[:] = piece
            if is_begun_here:
                crc = crc32(target, crc)
            place += len(piece)
        if begin >= data:
            return
        # Rarely, what stands before the data lies in two stages: then both need the checksum.
        for piece in pieces(body, high if is_begun_here else 0, body.nbytes):
            crc = crc32(piece, crc)
        self.crcs[row] = crc
        text = _zip.local_header(member, crc) + head
        low, high = max(member.offset, begin), min(data, end)
        view[low - begin : high - begin] = text[low - member.offset : high - member.offset]
