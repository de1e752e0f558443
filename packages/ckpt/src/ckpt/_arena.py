"""Read members of a file into one allocation, by several threads, and check their sums.

Small members that lie together are read at once. A large one is read in pieces, each checked
right after it was read, while it is near the processor.
"""

from __future__ import annotations

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
TASK = 8 << 20
"""Bytes that a thread reads, at most, before it takes its next task."""
LARGE = 1 << 20
"""From so many bytes on a member is read in parts."""
THREADS = 3
SHARE = 2 << 20
"""Bytes that it takes longer to read than to begin a thread that helps."""


@dataclass(slots=True)
class Batch:
    """Small members that lie one behind the other; alignment is kept."""

    first: int
    count: int
    begin: int
    end: int
    place: int


@dataclass(slots=True)
class Part:
    """A part of a large member."""

    row: int
    begin: int
    end: int
    place: int


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
        rows = sorted(set(wanted))
        threads, task_bytes = shares(sum(map(directory.sizes.__getitem__, rows)), source)
        batches, parts, size = self._place(rows, task_bytes)
        memory = np.empty(size + ALIGN, np.uint8)
        self.memory: Array = memory[-memory.ctypes.data % ALIGN :]
        self.view = memoryview(cast("Any", self.memory))
        tasks: list[Batch | Part] = [*batches, *parts]
        crcs: dict[int, int] = {}
        for task, crc in each(self._read, tasks, threads):
            if isinstance(task, Part):
                before = crcs.get(task.row)
                length = task.end - task.begin
                crcs[task.row] = crc if before is None else crc32_combine(before, crc, length)
            if progress is not None:
                progress(task.end - task.begin)
        if verify:
            for row, crc in crcs.items():
                self.directory.check(row, crc)

    def data(self, row: int) -> Array:
        """The data of a member."""
        start = int(self.starts[row])
        return self.memory[start : start + self.directory.sizes[row]]

    def _place(self, rows: Sequence[int], task_bytes: int) -> tuple[list[Batch], list[Part], int]:
        offsets, ends, sizes = self.directory.offsets, self.directory.ends, self.directory.sizes
        batches: list[Batch] = []
        parts: list[Part] = []
        top = 0
        last: Batch | None = None
        for row in rows:
            offset, end = offsets[row], ends[row]
            if sizes[row] >= LARGE:
                top = -(-top // ALIGN) * ALIGN
                start = self.directory.find_data(row, self.source)
                self.starts[row] = top
                stop = start + sizes[row]
                parts += (
                    Part(row, at, min(at + task_bytes, stop), top + at - start)
                    for at in range(start, stop, task_bytes)
                )
                top += sizes[row]
                last = None
            elif last is not None and last.end == offset and offset - last.begin < TASK:
                last.count += 1
                last.end = end
                top += end - offset
            else:
                top += (offset - top) % ALIGN
                last = Batch(row, 1, offset, end, top)
                batches.append(last)
                top += end - offset
        return batches, parts, top

    def _read(self, task: Batch | Part) -> tuple[Batch | Part, int]:
        crc, shift = 0, task.place - task.begin
        for at in range(task.begin, task.end, PIECE):
            stop = min(at + PIECE, task.end)
            piece = self.view[at + shift : stop + shift]
            if self.source.read_into(at, piece) != len(piece):
                raise ValueError("it was cut off while it was read")
            if self.verify and isinstance(task, Part):
                crc = crc32(piece, crc)
        if isinstance(task, Batch):
            self._check_batch(task, shift)
        return task, crc

    def _check_batch(self, batch: Batch, shift: int) -> None:
        rows, view = slice(batch.first, batch.first + batch.count), self.view
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
    threads, task_bytes = shares(end - begin, source)

    def of_part(at: int) -> tuple[int, int]:
        stop, crc = min(at + task_bytes, end), 0
        buffer = memoryview(bytearray(min(PIECE, stop - at)))
        for place in range(at, stop, PIECE):
            piece = buffer[: stop - place]
            if source.read_into(place, piece) != len(piece):
                raise ValueError("it was cut off while it was read")
            crc = crc32(piece, crc)
        return crc, stop - at

    crc = 0
    for found, length in each(of_part, range(begin, end, task_bytes), threads):
        crc = crc32_combine(crc, found, length)
    return crc


def shares(total: int, source: Source) -> tuple[int, int]:
    """How many threads read so many bytes, and how many of them at a time."""
    threads = min(THREADS, max(1, total // SHARE)) if source.parallel else 1
    return threads, min(TASK, max(LARGE, -(-total // (2 * threads))))
