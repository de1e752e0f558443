"""Put files into a zip: small ones by several threads at once, large ones streamed.

A bounded number of files is in memory at any time, and the order in the zip is that of the names
whatever thread finishes first.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from codesave._choose import Chosen, Skipped
from codesave._manifest import FileEntry
from codesave._zipwriter import Packed, ZipWriter, compress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

    from codesave._previous import Previous

STREAM_ABOVE = 4 << 20
"""Bytes of a file above which it is never in memory as a whole."""
_CHUNK = 1 << 20
_BATCH = 16
"""Files that a thread compresses at once."""
_AHEAD = 8
"""Batches that may wait to be written."""


class _UnreadableError(Exception):
    """The file cannot be read; an error of writing the zip is another matter, and passes."""


_Result: TypeAlias = tuple[Packed, bytes, str] | _UnreadableError


def pack(
    writer: ZipWriter,
    chosen: Iterable[Chosen],
    level: int,
    previous: Previous,
    advance: Callable[[int], object],
) -> tuple[dict[str, FileEntry], list[Skipped]]:
    """Append the files and folders.

    Args:
        writer: The zip.
        chosen: What to append, in the order of the names.
        level: zlib's level.
        previous: Where contents may lie packed already.
        advance: Called with the bytes of each file that is done.

    Returns:
        What the manifest says of each file, and the files that turned out unreadable.
    """
    from concurrent.futures import ThreadPoolExecutor

    files: dict[str, FileEntry] = {}
    skipped: list[Skipped] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for entry, ready in _packed_ahead(pool, chosen, level, previous):
            try:
                if entry.name.endswith("/"):
                    writer.add_folder(entry.name)
                elif ready is None:
                    files[entry.name] = _stream(writer, entry, level, previous)
                elif isinstance(ready, _UnreadableError):
                    raise ready
                else:
                    packed, data, digest = ready
                    writer.add(entry.name, packed, data, executable=entry.executable)
                    files[entry.name] = FileEntry(digest=digest, bytes=packed.size)
            except _UnreadableError as error:
                skipped.append(Skipped(entry.name, f"cannot be read ({error})"))
            advance(entry.size)
    return files, skipped


def pack_bytes(writer: ZipWriter, name: str, data: bytes, level: int) -> FileEntry:
    """Append a file whose contents are at hand."""
    packed, compressed = compress(data, level)
    writer.add(name, packed, compressed)
    return FileEntry(digest=sha256(data), bytes=len(data))


def sha256(data: bytes) -> str:
    """The digest that the manifest holds for these contents."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _packed_ahead(
    pool: ThreadPoolExecutor, chosen: Iterable[Chosen], level: int, previous: Previous
) -> Iterator[tuple[Chosen, _Result | None]]:
    """Each entry in turn, the next few being compressed meanwhile; None for what is not small."""
    waiting: deque[tuple[list[Chosen], Future[list[_Result | None]]]] = deque()
    entries = iter(chosen)
    while True:
        batch = list(islice(entries, _BATCH))
        if batch:
            waiting.append((batch, pool.submit(_pack_all, batch, level, previous)))
        if not waiting:
            return
        if len(waiting) > _AHEAD or not batch:
            done, future = waiting.popleft()
            yield from zip(done, future.result(), strict=True)


def _pack_all(batch: list[Chosen], level: int, previous: Previous) -> list[_Result | None]:
    """What a thread does at once: a file alone would cost more to hand over than to compress."""
    return [
        None
        if entry.name.endswith("/") or entry.size > STREAM_ABOVE
        else _pack(entry.path, level, previous)
        for entry in batch
    ]


def _pack(path: str, level: int, previous: Previous) -> _Result:
    try:
        # A Path for each file costs a tenth of it all, a buffer another.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            data = file.read()
    except OSError as error:
        return _UnreadableError(error.strerror)
    digest = sha256(data)
    known = previous.find(digest)
    if known is not None:
        return known, b"".join(previous.chunks(digest)), digest
    return *compress(data, level), digest


def _chunks(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise _UnreadableError(error.strerror) from error


def _stream(writer: ZipWriter, entry: Chosen, level: int, previous: Previous) -> FileEntry:
    if previous.has_size(entry.size):
        found = hashlib.sha256()
        for chunk in _chunks(entry.path):
            found.update(chunk)
        name = f"sha256:{found.hexdigest()}"
        known = previous.find(name)
        if known is not None:
            parts = previous.chunks(name)
            writer.add_packed(entry.name, known, parts, executable=entry.executable)
            return FileEntry(digest=name, bytes=known.size)
    digest = hashlib.sha256()

    def read() -> Iterator[bytes]:
        for chunk in _chunks(entry.path):
            digest.update(chunk)
            yield chunk

    packed = writer.add_stream(entry.name, read(), level, executable=entry.executable)
    return FileEntry(digest=f"sha256:{digest.hexdigest()}", bytes=packed.size)
