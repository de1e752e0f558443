"""Write a laid-out file at the speed of the disk, within a few megabytes of memory.

The file is written in stages by several threads (:func:`expcore.write_stages`); each is filled
in pieces that are copied and checksummed while they are near the processor. A member's checksum
stands before its data: where it goes beyond a stage, the block with the checksum is kept, and
written once more when that is known.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ckpt import _zip
from ckpt._npz import PIECE, pieces
from expcore import crc32, crc32_combine, open_atomic, write_stages

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ckpt._npz import Plan

BLOCK = 4096


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
    stages, end = _Stages(plan), plan.layout.end
    with open_atomic(path) as file:
        write_stages(file, end, stages.fill, progress=progress)
        for begin, block in stages.finish():
            file.seek(begin)
            file.write(block)
        file.seek(end)
        file.write(_zip.directory(plan.layout, stages.crcs))


class _Stages:
    """Fills the stages of a file, in any order, by several threads."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.layout = plan, plan.layout
        self.crcs = [0] * len(plan.heads)
        self.parts: list[tuple[int, int, int, int]] = []
        """Of members that no stage has whole: which, the stage, checksum and bytes of the part."""
        self.blocks: dict[int, bytearray] = {}
        """Blocks that wait for the checksum of such a member, by their place in the file."""

    def fill(self, view: memoryview, begin: int) -> None:
        """Fill a stage."""
        offsets, stops, end = self.layout.offsets, self.layout.stops, begin + len(view)
        waiting = set[int]()
        row = bisect_right(offsets, begin) - 1
        while row < len(offsets) and (offset := offsets[row]) < end:
            several = bisect_right(stops, min(end, offset + PIECE)) if offset >= begin else row
            if several > row:
                self._fill_several(view, begin, range(row, several))
                row = several
                continue
            if not self._fill_part(view, begin, row):
                waiting |= {at // BLOCK * BLOCK for at in self._checksum(row) if begin <= at < end}
            row += 1
        for at in waiting:
            self.blocks[at] = bytearray(view[at - begin : at - begin + BLOCK])

    def _fill_several(self, view: memoryview, begin: int, rows: range) -> None:
        """Copy small members: for them what counts is each call."""
        heads = self.plan.heads[rows.start : rows.stop]
        bodies = [body.tobytes("A") for body in self.plan.bodies[rows.start : rows.stop]]
        self.crcs[rows.start : rows.stop] = crcs = list(map(crc32, bodies, map(crc32, heads)))
        headers = _zip.local_headers(self.layout, rows, crcs)
        text = b"".join(chain.from_iterable(zip(headers, heads, bodies, strict=True)))
        at = self.layout.offsets[rows.start] - begin
        view[at : at + len(text)] = text

    def _fill_part(self, view: memoryview, begin: int, row: int) -> bool:
        """Copy as much of a member as lies in a stage; whether that is all of it."""
        offset, start, stop = (
            column[row] for column in (self.layout.offsets, self.layout.starts, self.layout.stops)
        )
        head, body = self.plan.heads[row], self.plan.bodies[row]
        data, end = start + len(head), begin + len(view)
        buffer = np.frombuffer(view, np.uint8)
        is_begun_here = begin <= offset
        crc = crc32(head) if is_begun_here else 0
        low, high = (min(max(at - data, 0), body.nbytes) for at in (begin, end))
        length = high - low + (len(head) if is_begun_here else 0)
        place = data + low - begin
        for piece in pieces(body, low, high):
            target = buffer[place : place + len(piece)]
            target[:] = piece
            crc = crc32(target, crc)  # of what is written, whoever changes the array meanwhile
            place += len(piece)
        text = b"".join(_zip.local_headers(self.layout, range(row, row + 1), [crc])) + head
        low, high = max(offset, begin), min(data, end)
        if low < high:
            view[low - begin : high - begin] = text[low - offset : high - offset]
        if is_begun_here and stop <= end:
            self.crcs[row] = crc
            return True
        self.parts.append((row, begin, crc, length))
        return False

    def finish(self) -> list[tuple[int, bytearray]]:
        """The blocks that waited, with their checksums, in order."""
        for row, _, crc, length in sorted(self.parts):
            self.crcs[row] = crc32_combine(self.crcs[row], crc, length)
        for row in {part[0] for part in self.parts}:
            places = self._checksum(row)
            for at, byte in zip(places, self.crcs[row].to_bytes(4, "little"), strict=True):
                self.blocks[at // BLOCK * BLOCK][at % BLOCK] = byte
        return sorted(self.blocks.items())

    def _checksum(self, row: int) -> range:
        """Where the checksum of a member stands."""
        at = self.layout.offsets[row] + _zip.CRC_AT
        return range(at, at + 4)
