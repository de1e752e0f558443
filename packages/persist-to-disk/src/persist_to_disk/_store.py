"""The bucket files of one folder, and the locks of their writers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from expcore import sweep
from persist_to_disk._bucket import Bucket, Entry
from persist_to_disk._compact import compact, is_worth_it
from persist_to_disk._counts import FILE as COUNTS_FILE
from persist_to_disk._frames import FLAG_SIDECAR
from persist_to_disk._locks import WHOLE_FUNCTION, BothLocks, Lock, LockFolder, key_offset
from persist_to_disk._old import CODE_FILE
from persist_to_disk._values import encode, sidecar_path, write_sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persist_to_disk._remote import Fetched


class Store:
    """Entries by key, in the files ``0.pkl`` to ``(hashsize - 1).pkl`` of a folder.

    Args:
        folder: Need not exist.
        hashsize: How many files.
        shared_lock: The folder whose one lock all writers share; None for a lock for each file.
        trust: Read what others may write to.
    """

    def __init__(
        self, folder: Path, *, hashsize: int, shared_lock: Path | None = None, trust: bool = False
    ) -> None:
        self.folder = folder
        self.trust = trust
        self._hashsize = hashsize
        self._locks = LockFolder(folder, trust=trust)
        self._shared_lock = None if shared_lock is None else LockFolder(shared_lock, trust=trust)
        self._buckets: dict[int, Bucket] = {}

    def bucket(self, key: bytes) -> Bucket:
        """Return the file for a key."""
        number = int.from_bytes(key[:8], "little") % self._hashsize
        found = self._buckets.get(number)
        if found is None:
            path = self.folder / f"{number}.pkl"
            found = self._buckets[number] = Bucket(path, trust=self.trust)
        return found

    def put(self, bucket: Bucket, key: bytes, value: object, flags: int = 0) -> Entry:
        """Store a result in place of what the key had.

        Raises:
            OSError: It cannot be written; earlier entries are as they were.
            Exception: Whatever pickling the result raises.
        """
        more, payload = encode(value, bucket.sidecars, key.hex(), trust=self.trust)
        return self._append(bucket, key, payload, flags | more)

    def install(self, bucket: Bucket, key: bytes, found: Fetched) -> Entry:
        """Store an entry as another machine stored it.

        Raises:
            OSError: It cannot be written; earlier entries are as they were.
        """
        if found.flags & FLAG_SIDECAR:
            path = sidecar_path(found.payload, bucket.sidecars)
            write_sidecar(path, [found.sidecar], trust=self.trust)
        return self._append(bucket, key, found.payload, found.flags, found.written_ns)

    def _append(
        self, bucket: Bucket, key: bytes, payload: bytes, flags: int, written_ns: int | None = None
    ) -> Entry:
        lock = self.lock_of(bucket.number)
        old, entry = bucket.append(key, payload, flags, lock, written_ns)
        if old is None:
            return entry
        if old.flags & FLAG_SIDECAR and old.payload != payload:
            # Windows refuses while someone has it mapped; then `ptd gc` finds it later.
            with suppress(OSError):
                sidecar_path(old.payload, bucket.sidecars).unlink()
        if is_worth_it(bucket):
            with suppress(OSError):  # no room for the new file: the old one will do
                compact(bucket, lock, trust=self.trust)
        return entry

    def computing(self, key: bytes) -> Lock:
        """Return the lock of whoever computes the result of a key."""
        return self._locks.lock(key_offset(key))

    def lock_of(self, number: int) -> Lock:
        """Return the lock of those who write the bucket of a number."""
        lock = self._locks.lock(number)
        if self._shared_lock is None:
            return lock
        # The bucket's own too: other processes, and `ptd`, may go by another granularity.
        return BothLocks(self._shared_lock.lock(WHOLE_FUNCTION), lock)

    def remove_sidecar(self, path: Path) -> int:
        """Remove a sidecar unless an entry names it, or is about to; return the bytes freed.

        Args:
            path: Any file in a folder of sidecars.
        """
        try:
            # A sidecar is written before the entry that names it, under the lock of their key.
            key = bytes.fromhex(path.name[:32])
        except ValueError:  # it is none of ours
            return 0
        lock = self.computing(key)
        try:
            if not lock.try_acquire():
                return 0
            entry = Bucket(path.parent.with_suffix(".pkl"), trust=self.trust).find(key)
            named = entry.payload if entry and entry.flags & FLAG_SIDECAR else None
            if named is not None and sidecar_path(named, path.parent) == path:
                return 0
            size = path.stat().st_size
            path.unlink()
        except (FileNotFoundError, PermissionError):
            return 0  # Windows refuses while someone has it mapped
        finally:
            lock.release()
        return size

    def clear(self) -> None:
        """Delete all entries, whatever the hashsize they were written with."""
        for path in bucket_files(self.folder):
            Bucket(path, trust=self.trust).remove(self.lock_of(int(path.stem)))
        for sidecars in self.folder.glob("*.d"):
            sweep(sidecars)
            for sidecar in sidecars.glob("[!.]*"):
                self.remove_sidecar(sidecar)
        for path in [
            *self.folder.glob("*.old*.pkl"),
            self.folder / CODE_FILE,
            self.folder / ".used",
            self.folder / COUNTS_FILE,
        ]:
            path.unlink(missing_ok=True)
        self._buckets.clear()


def bucket_files(folder: Path) -> Iterator[Path]:
    """Yield the bucket files directly in a folder, by number."""
    try:
        found = [path for path in folder.glob("*.pkl") if path.stem.isdecimal()]
    except FileNotFoundError:  # removed meanwhile
        return
    yield from sorted(filter(Path.is_file, found), key=lambda path: int(path.stem))


def bucket_bytes(path: Path) -> int:
    """Return what a bucket file takes together with its sidecars, which may go meanwhile."""
    size = 0
    with suppress(FileNotFoundError):
        for file in [path, *path.with_suffix(".d").glob("*")]:
            with suppress(FileNotFoundError):
                size += file.stat().st_size
    return size
