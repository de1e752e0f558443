"""Fetch a large value in parts, several at once; parts that arrived are not fetched again.

While it is being fetched, a byte for each part follows the value in the temporary file and says
whether the part is there. An attempt that was killed, or lost the connection, leaves this file;
the next one goes on with it. The digest of the whole is compared before the file takes its name,
so whatever a power failure left in it is found.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from expcore._atomic import open_partial
from expcore._digest import digest_bytes, digest_file
from expcore._threads import for_each
from expcore.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from expcore._storage import Stat, Storage

PART_BYTES = 16 << 20
LARGE_BYTES = 4 * PART_BYTES
"""Values from this size on are fetched in parts, if their digest is known."""
STREAMS = 4
COPY_BYTES = 1 << 20


def download_parts(
    storage: Storage,
    stat: Stat,
    path: str | os.PathLike[str],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a large value to a file, which is there as a whole or not at all.

    Args:
        storage: Where from.
        stat: Of the value, with its digest.
        path: Where to.
        progress: Called with the number of bytes that arrived since its last call, from
            several threads; at first with those that an earlier attempt left.

    Raises:
        IntegrityError: What arrived has another digest.
    """
    assert stat.digest is not None  # noqa: S101 -- see LARGE_BYTES
    mark = digest_bytes(f"{stat.digest} {stat.size}".encode()).partition(":")[2][:16]
    with open_partial(path, mark) as file:
        parts = _Parts(file, storage, stat, progress or (lambda _: None))
        for_each(parts.fetch, parts.missing(), STREAMS, "expcore-download")
        os.truncate(file.fileno(), stat.size)
        found = digest_file(file.name, algorithm=stat.digest.partition(":")[0])  # type: ignore[arg-type]
        if found != stat.digest:
            os.truncate(file.fileno(), 0)
            with suppress(OSError):  # Windows does not remove an open file
                Path(file.name).unlink()
            raise IntegrityError(
                storage.url, f"download {stat.key!r}", f"{found} arrived of {stat.digest}"
            )


class _Parts:
    """The parts of a value in a file that is being written."""

    def __init__(
        self, file: BinaryIO, storage: Storage, stat: Stat, progress: Callable[[int], object]
    ) -> None:
        self._file, self._storage, self._stat, self._progress = file, storage, stat, progress
        self._begins = range(0, stat.size, PART_BYTES)
        self._lock = Lock()

    def missing(self) -> list[int]:
        """Return where the parts begin that are not yet there; tell of those that are."""
        size, count = self._stat.size, len(self._begins)
        length = os.fstat(self._file.fileno()).st_size
        if length == size:  # all arrived, and the attempt ended before it was named
            self._progress(size)
            return []
        if length != size + count:
            os.truncate(self._file.fileno(), 0)
            os.truncate(self._file.fileno(), size + count)
        self._file.seek(size)
        there = self._file.read(count)
        for begin, is_there in zip(self._begins, there, strict=True):
            if is_there:
                self._progress(self._end(begin) - begin)
        return [begin for begin, is_there in zip(self._begins, there, strict=True) if not is_there]

    def fetch(self, begin: int) -> None:
        """Fetch one part."""
        place, end = begin, self._end(begin)
        with self._storage.open_read(self._stat.key, begin, end) as source:
            while piece := source.read(COPY_BYTES):
                self._write(piece, place)
                place += len(piece)
                self._progress(len(piece))
        if place != end:
            told = f"{place - begin} bytes arrived of the {end - begin} from {begin} on"
            raise IntegrityError(self._storage.url, f"download {self._stat.key!r}", told)
        self._write(b"\1", self._stat.size + begin // PART_BYTES)

    def _end(self, begin: int) -> int:
        return min(begin + PART_BYTES, self._stat.size)

    def _write(self, data: bytes, place: int) -> None:
        with self._lock:
            self._file.seek(place)
            self._file.write(data)
            self._file.flush()
