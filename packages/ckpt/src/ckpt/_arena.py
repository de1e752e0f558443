"""Read members of a file into one allocation, by several threads, and check their sums.

Small members that lie together are read at once. A large one is read in pieces, each checked
right after it was read, while it is near the processor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ckpt._npz import PIECE
from ckpt._threads import each
from expcore import crc32, crc32_combine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ckpt._directory import Directory, Source
    from ckpt._dtypes import Array

ALIGN = 64
TASK = 2 << 20
"""Bytes that a thread reads before it takes its next task. They are few, and taken in the order of
the file: then the system reads ahead, in large pages, as it does not where threads leap about."""
LARGE = 1 << 20
"""From so many bytes on a member is read in parts."""
MANY = 32 << 20
"""From so many bytes on, several threads read; before, one is done when the next one begins."""
THREADS = min(4, os.cpu_count() or 1)


@dataclass(slots=True)
class Batch:
    """Small members that lie one behind the other; alignment is kept."""

    first: int
    count: int
    begin: int
    """Where in the file the first local header begins."""
    place: int
    """Where in the memory that is read to."""
    length: int


@dataclass(slots=True)
class Part:
    """A part of a large member."""

    row: int
    begin: int
    """From where in the data of the member."""
    place: int
    length: int


class Arena:
    """Members of a file in memory, which is never larger than the file.

    Args:
        source: The file.
        directory: Its members.
        wanted: Which of them; each once.
        progress: Called with the number of bytes read since its last call.
        verify: Whether the checksums are.

    Raises:
        ValueError: A member is not what the directory says, or its checksum is another.
    """

    def __init__(
        self,
        source: Source,
        directory: Directory,
        wanted: Iterable[int],
        progress: Callable[[int], object] | None = None,
        *,
        verify: bool = True,
    ) -> None:
        self.source, self.directory, self.verify = source, directory, verify
        self.starts: Array = np.zeros(len(directory.names), np.int64)
        """Where in the memory the data of each member that was read begin."""
        tasks, size = self._place(sorted(set(wanted)))
        memory = np.empty(size + ALIGN, np.uint8)
        self.memory: Array = memory[-memory.ctypes.data % ALIGN :]
        self.view = memoryview(cast("Any", self.memory))
        crcs: dict[int, int] = {}
        for task, crc in each(self._read, tasks, threads_for(size, source)):
            if isinstance(task, Part):
                before = crcs.get(task.row)
                crcs[task.row] = crc if before is None else crc32_combine(before, crc, task.length)
            if progress is not None:
                progress(task.length)
        if verify:
            for row, crc in crcs.items():
                self.directory.check(row, crc)

    def data(self, row: int) -> Array:
        """The data of a member."""
        start = int(self.starts[row])
        return self.memory[start : start + self.directory.sizes[row]]

    def _place(self, rows: Sequence[int]) -> tuple[list[Batch | Part], int]:
        """What to read where, in the order of the file, and how much memory that takes."""
        offsets, ends, sizes = self.directory.offsets, self.directory.ends, self.directory.sizes
        tasks: list[Batch | Part] = []
        top = 0
        last: Batch | None = None
        for row in rows:
            offset, length = offsets[row], ends[row] - offsets[row]
            if (size := sizes[row]) >= LARGE:
                top = -(-top // ALIGN) * ALIGN
                self.starts[row] = top
                tasks += (
                    Part(row, at, top + at, min(TASK, size - at)) for at in range(0, size, TASK)
                )
                top += size
                last = None
                continue
            follows = last is not None and last.begin + last.length == offset
            if last is not None and follows and last.length < TASK:
                last.count += 1
                last.length += length
            else:
                top += (offset - top) % ALIGN
                last = Batch(row, 1, offset, top, length)
                tasks.append(last)
            top += length
        return tasks, top

    def _read(self, task: Batch | Part) -> tuple[Batch | Part, int]:
        begin, crc = task.begin, 0
        if isinstance(task, Part):
            begin += self.directory.find_data(task.row, self.source)
        for at in range(0, task.length, PIECE):
            length = min(PIECE, task.length - at)
            piece = self.view[task.place + at : task.place + at + length]
            if self.source.read_into(begin + at, piece) != length:
                raise ValueError("it was cut off while it was read")
            if self.verify and isinstance(task, Part):
                crc = crc32(piece, crc)
        if isinstance(task, Batch):
            self._check_batch(task)
        return task, crc

    def _check_batch(self, batch: Batch) -> None:
        rows, view = slice(batch.first, batch.first + batch.count), self.view
        shift = batch.place - batch.begin
        starts = self.directory.data_starts(batch.first, batch.count, self.memory, shift)
        self.starts[rows] = starts
        if not self.verify:
            return
        stops = starts + self.directory.table[1, rows]
        found = [crc32(view[a:b]) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        if found != list(self.directory.crcs[rows]):
            for i, crc in enumerate(found):
                self.directory.check(batch.first + i, crc)


def checksum(source: Source, begin: int, end: int) -> int:
    """The checksum of a stretch of a file, by several threads if it is long.

    Raises:
        ValueError: The file ends within it.
    """

    def of_part(at: int) -> tuple[int, int]:
        stop, crc = min(at + TASK, end), 0
        buffer = memoryview(bytearray(min(PIECE, stop - at)))
        for place in range(at, stop, PIECE):
            piece = buffer[: stop - place]
            if source.read_into(place, piece) != len(piece):
                raise ValueError("it was cut off while it was read")
            crc = crc32(piece, crc)
        return crc, stop - at

    crc = 0
    for found, length in each(of_part, range(begin, end, TASK), threads_for(end - begin, source)):
        crc = crc32_combine(crc, found, length)
    return crc


def threads_for(total: int, source: Source) -> int:
    """How many threads read so many bytes."""
    return THREADS if source.parallel and total >= MANY else 1
