"""Keep what a function's results take below ``max_bytes``: the least recently used go first.

When an entry was used is appended to the file ``.used`` of its folder, records of 24 bytes: the
key, and the time in nanoseconds since 1970, little-endian. A process notes a key at most once a
minute; an entry that is not listed was last used when it was written.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from expcore import write_file
from persist_to_disk._bucket import Bucket
from persist_to_disk._compact import compact
from persist_to_disk._frames import FLAG_SIDECAR, frame_bytes
from persist_to_disk._guard import PRIVATE_FILE
from persist_to_disk._open_files import open_file
from persist_to_disk._reading import BINARY
from persist_to_disk._store import Store, bucket_files
from persist_to_disk._values import sidecar_facts, sidecar_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("persist_to_disk")

FILE = ".used"
_RECORD = Struct("<16sQ")
RESOLUTION_NS = 60 * 10**9
DOWN_TO = 0.9
"""How full the cache is after some entries went, so that the next few fit without another go."""


class _Candidate(NamedTuple):
    used_ns: int
    size_bytes: int
    key: bytes
    bucket: Bucket
    store: Store
    sidecar: Path | None


class Limit:
    """The limit of one function in one process.

    Args:
        max_bytes: What buckets and sidecars may take together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._noted: dict[bytes, int] = {}
        self._estimate: int | None = None

    def note(self, store: Store, key: bytes) -> None:
        """Note that an entry is used now."""
        now = time.time_ns()
        if now - self._noted.get(key, 0) < RESOLUTION_NS:
            return
        self._noted[key] = now
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY
            descriptor = open_file(store.folder / FILE, flags, PRIVATE_FILE)
            try:
                os.write(descriptor, _RECORD.pack(key, now))
            finally:
                os.close(descriptor)
        except OSError as error:  # then it counts as used when it was written
            log.debug("%s: use not noted: %s", store.folder, error)

    def grew(self, stores: list[Store], size_bytes: int) -> None:
        """Take note of a new entry, and remove old ones if there is too much.

        Args:
            stores: All folders of the function.
            size_bytes: What the new entry takes.

        Raises:
            OSError: Something cannot be rewritten.
        """
        if self._estimate is None:
            self._estimate = sum(candidate.size_bytes for candidate in _candidates(stores))
        else:
            self._estimate += size_bytes
        if self._estimate > self._max_bytes:
            self._estimate = self._evict(stores)

    def _evict(self, stores: list[Store]) -> int:
        """Remove the least recently used entries; return what the others take."""
        candidates = sorted(_candidates(stores), key=lambda candidate: candidate.used_ns)
        total = sum(candidate.size_bytes for candidate in candidates)
        if total <= self._max_bytes:
            return total
        gone: dict[Bucket, list[_Candidate]] = {}
        while total > self._max_bytes * DOWN_TO and candidates:
            oldest = candidates.pop(0)
            gone.setdefault(oldest.bucket, []).append(oldest)
            total -= oldest.size_bytes
        for bucket, leaving in gone.items():
            store = leaving[0].store
            lock = store.lock_of(bucket.number)
            keys = {candidate.key for candidate in leaving}
            compact(bucket, lock, trust=store.trust, without=keys)
            for candidate in leaving:
                if candidate.sidecar is not None:
                    # Windows refuses while someone has it mapped; then `ptd gc` finds it later.
                    with suppress(PermissionError):
                        candidate.sidecar.unlink(missing_ok=True)
        for store in stores:
            left = [c for c in candidates if c.store is store]
            write_file(store.folder / FILE, b"".join(_RECORD.pack(c.key, c.used_ns) for c in left))
            (store.folder / FILE).chmod(PRIVATE_FILE)
        return total


def _candidates(stores: list[Store]) -> Iterator[_Candidate]:
    for store in stores:
        times = _times(store.folder / FILE)
        for path in bucket_files(store.folder):
            bucket = Bucket(path, trust=store.trust)
            for frame in list(bucket.current()):
                size, sidecar = frame_bytes(frame.length), None
                if frame.flags & FLAG_SIDECAR and (entry := bucket.find(frame.key)):
                    size += sidecar_facts(entry.payload)[0]
                    sidecar = sidecar_path(entry.payload, bucket.sidecars)
                used = max(frame.written_ns, times.get(frame.key, 0))
                yield _Candidate(used, size, frame.key, bucket, store, sidecar)


def _times(path: Path) -> dict[bytes, int]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    whole = data[: len(data) // _RECORD.size * _RECORD.size]
    # Later records of a key are later uses.
    return dict(_RECORD.iter_unpack(whole))
