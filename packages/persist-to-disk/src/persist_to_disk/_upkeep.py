"""Look after the files of a cache: sum up, verify, remove what nobody needs.

All of it may be done while other processes use the cache.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from expcore import sweep
from persist_to_disk import _frames as frames
from persist_to_disk._bucket import Bucket
from persist_to_disk._compact import compact
from persist_to_disk._counts import FILE as COUNTS_FILE
from persist_to_disk._store import Store, bucket_bytes, bucket_files
from persist_to_disk._values import check_sidecar, sidecar_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Summary(NamedTuple):
    """What a folder of bucket files holds."""

    folder: Path
    entries: int
    size_bytes: int
    """Of buckets and sidecars."""
    newest_ns: int
    """When the newest entry was written, nanoseconds since 1970."""
    oldest_ns: int


def cache_folders(root: Path) -> Iterator[Path]:
    """Yield the folders below ``root`` that hold bucket files, in order."""
    yield from folders_with(root, lambda name: name.endswith(".pkl") and name[:-4].isdecimal())


def counted_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of functions below ``root`` whose hits were counted, in order."""
    yield from folders_with(root, lambda name: name == COUNTS_FILE)


def folders_with(root: Path, is_wanted: Callable[[str], bool]) -> Iterator[Path]:
    """Yield the folders below ``root`` that hold a file of such a name, in order."""
    # Other than `rglob`, this takes it well that somebody removes folders meanwhile.
    found = [Path(folder) for folder, _, names in os.walk(root) if any(map(is_wanted, names))]
    yield from sorted(found)


def summarize(folder: Path, *, trust: bool) -> Summary:
    """Count what is in a folder."""
    size, times = 0, list[int]()
    for path in bucket_files(folder):
        times += [frame.written_ns for frame in Bucket(path, trust=trust).current()]
        size += bucket_bytes(path)
    return Summary(folder, len(times), size, max(times, default=0), min(times, default=0))


def verify(folder: Path, *, trust: bool) -> Iterator[str]:
    """Yield a line for each damaged place, having read every byte."""
    for path in bucket_files(folder):
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # cleared meanwhile
            continue
        header = frames.decode_header(data[: frames.HEADER_BYTES])
        if header is None:
            old = data.startswith(frames.OLD_PICKLE)
            if not old:
                yield f"{path}: not a bucket file"
            continue
        end = frames.HEADER_BYTES
        for frame in frames.scan(data[end:], header[1], end):
            if frame.offset != end:
                yield f"{path}: {frame.offset - end} damaged bytes at {end}"
            end = frame.end
            payload = data[frame.payload_offset : frame.payload_offset + frame.length]
            if not frames.is_payload(frame, payload, header[1]):
                yield f"{path}: the entry at {frame.offset} is damaged"
        if end != len(data):
            yield f"{path}: {len(data) - end} bytes of a torn entry at the end"
        bucket = Bucket(path, trust=trust)
        for frame in bucket.current():
            entry = bucket.find(frame.key)
            if entry and entry.flags & frames.FLAG_SIDECAR:
                problem = check_sidecar(entry.payload, _sidecars(path))
                if problem:
                    yield problem


def collect(folder: Path, *, trust: bool) -> Iterator[tuple[Path, int]]:
    """Remove what nobody needs from a folder.

    That is: entries that were replaced, sidecars that no entry names, what killed writers left.

    Yields:
        Each file that was shortened or removed, and how many bytes that freed.
    """
    store = Store(folder, hashsize=1, trust=trust)
    for path in bucket_files(folder):
        bucket = Bucket(path, trust=trust)
        try:
            freed = compact(bucket, store.lock_of(int(path.stem)), trust=trust)
        except FileNotFoundError:  # the folder was removed meanwhile
            return
        if freed:
            yield path, freed
    for sidecars in folder.glob("*.d"):  # also of buckets that are no more
        for removed in sweep(sidecars):
            yield removed, 0
        named = _named_sidecars(sidecars.with_suffix(".pkl"), trust=trust)
        for sidecar in sidecars.glob("[!.]*"):
            if sidecar not in named and (size := store.remove_sidecar(sidecar)):
                yield sidecar, size
    for removed in sweep(folder):
        yield removed, 0


def _named_sidecars(path: Path, *, trust: bool) -> set[Path]:
    bucket = Bucket(path, trust=trust)
    entries = [bucket.find(frame.key) for frame in list(bucket.current())]
    return {
        sidecar_path(entry.payload, _sidecars(path))
        for entry in entries
        if entry is not None and entry.flags & frames.FLAG_SIDECAR
    }


def _sidecars(path: Path) -> Path:
    return path.with_suffix(".d")
