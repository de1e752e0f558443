"""The results of one function: looked up and stored, here and where else they may be.

Whatever goes wrong with the disk or a storage is one warning, and a result that is missing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from expcore import register
from persist_to_disk._counts import Counts, add_counts, count
from persist_to_disk._events import EntryUsed, used
from persist_to_disk._evict import Limit
from persist_to_disk._frames import FLAG_RAISED, FLAG_SIDECAR, frame_bytes
from persist_to_disk._old import NOTHING
from persist_to_disk._quick import KnownCalls, QuickKey, learn
from persist_to_disk._switch import Switch
from persist_to_disk._unpickle import is_portable
from persist_to_disk._values import DamagedEntryError, sidecar_facts
from persist_to_disk._warner import Warner
from persist_to_disk.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persist_to_disk._bucket import Bucket, Entry
    from persist_to_disk._home import Homes
    from persist_to_disk._options import Options
    from persist_to_disk._remote import Fetched, Remote
    from persist_to_disk._store import Store

MISSING: Final = object()


class Where(NamedTuple):
    """The place of a call's entry."""

    store: Store
    bucket: Bucket
    key: bytes
    others: tuple[Store, ...]
    """Where else to read."""
    named: Mapping[str, Any]
    """The arguments that count, and the digest of the code: by these, old results are found."""
    code: str
    quick: QuickKey | None
    remote: Remote | None
    """Where other machines store and look up too, and under which name."""
    name: str


class Results:
    """The results of one function.

    Args:
        title: The function's module and name.
        module: The function's module.
        options: What it is decorated with.
        homes: Where its results are.
    """

    def __init__(self, title: str, module: str, options: Options, homes: Homes) -> None:
        self.title = title
        self.homes = homes
        self.hits = self.misses = 0
        self.quick = KnownCalls()
        self._module, self._options = module, options
        self._limit = None if options.max_bytes is None else Limit(options.max_bytes)
        self._warner = Warner(title)
        self.warn = self._warner.warn
        self._counted = Counts(0, 0)
        count(self)

    def forget(self) -> None:
        """Begin to count anew, with nothing known."""
        self.hits = self.misses = 0
        self._counted = Counts(0, 0)
        self.quick.clear()

    def add_counts(self) -> None:
        """Add the hits and misses since the last time to the function's file."""
        hits, misses = self.hits - self._counted.hits, self.misses - self._counted.misses
        if (hits or misses) and self.homes.last_folder is not None:
            self.forget_counts()
            add_counts(self.homes.last_folder, hits, misses)

    def forget_counts(self) -> None:
        """Count from here on."""
        self._counted = Counts(self.hits, self.misses)

    def _find(self, bucket: Bucket, key: bytes) -> Entry | None:
        try:
            entry = bucket.find(key)
        except UnsafePathError:
            raise
        except OSError as error:
            self.warn(f"cannot read its cache: {error}")
            return None
        return entry if entry and self._counts(entry) else None

    def _counts(self, entry: Entry | Fetched) -> bool:
        """Say whether an entry may answer calls, as the function is decorated now."""
        if entry.flags & FLAG_RAISED and not self._options.cache_exceptions:
            return False
        ttl_s = self._options.ttl_s
        # By a clock that was wrong, an entry may be of the future: it does not count for ever.
        return ttl_s is None or abs(time.time_ns() - entry.written_ns) <= ttl_s * 1e9

    def has(self, where: Where) -> bool:
        """Say whether there is an entry, without reading its result."""
        stores = (where.store, *where.others)
        if any(self._find(store.bucket(where.key), where.key) for store in stores):
            return True
        if self._install(where):
            return True
        return self._find_old(where) is not NOTHING

    def load(self, where: Where, other: Store | None = None) -> Any:
        """Return the result that is here, or in another store; or MISSING."""
        store = other or where.store
        bucket = where.bucket if store is where.store else store.bucket(where.key)
        entry = self._find(bucket, where.key)
        if entry is None:
            return MISSING
        try:
            value = bucket.load(entry, self._module)
        except DamagedEntryError as error:
            if self._find(bucket, where.key) != entry:  # replaced or removed while it was read
                return self.load(where, store)
            self.warn(f"cannot read a stored result back: {error}")
            return MISSING
        if entry.flags & FLAG_RAISED and not isinstance(value, self._options.cache_exceptions):
            return MISSING
        if where.quick and not entry.flags and is_portable(entry.payload, self._module):
            self._learn(where.quick, bucket, entry)
        if store is not where.store:
            self._adopt(where, value, entry.flags & FLAG_RAISED)
        elif used.listeners:
            self._tell(bucket, entry, hit=True)
        if self._limit is not None:
            self._limit.note(where.store, where.key)
        self.hits += 1
        if entry.flags & FLAG_RAISED:
            raise value
        return value

    def fetch(self, where: Where) -> Any:
        """Return the result that another machine stored, or MISSING."""
        return self.load(where) if where.remote and self._install(where) else MISSING

    def _install(self, where: Where) -> bool:
        """Store here what another machine stored, if it did."""
        if where.remote is None:
            return False
        try:
            found = where.remote.fetch(where.name)
            if found is None or not self._counts(found):
                return False
            where.store.install(where.bucket, where.key, found)
        except Exception as error:  # whatever a storage raises
            self.warn(f"cannot look up what is shared: {type(error).__name__}: {error}")
            return False
        return True

    def load_from_elsewhere(self, where: Where) -> Any:
        """Return the result that another folder or version 0.0.7 has, or MISSING."""
        for store in where.others:
            found = self.load(where, store)
            if found is not MISSING:
                return found
        found = self._find_old(where)
        if found is NOTHING:
            return MISSING
        self._adopt(where, found)
        self.hits += 1
        return found

    def _find_old(self, where: Where) -> Any:
        """Return what version 0.0.7 stored for a call, or NOTHING."""
        for old in self.homes.home().old:
            found = old.find(where.named, where.code)
            if found is not NOTHING:
                return found
        return NOTHING

    def keep(self, where: Where, switch: Switch, value: object, flags: int = 0) -> None:
        """Store what was computed."""
        self.misses += 1
        self._put(where, value, flags, hit=False, replace=switch is Switch.RECACHE)

    def _adopt(self, where: Where, value: object, flags: int = 0) -> None:
        """Store here what was found elsewhere."""
        self._put(where, value, flags, hit=True)

    def _put(
        self, where: Where, value: object, flags: int, *, hit: bool, replace: bool = False
    ) -> None:
        try:
            entry = where.store.put(where.bucket, where.key, value, flags)
            if self._limit is not None:
                size = sidecar_facts(entry.payload)[0] if entry.flags & FLAG_SIDECAR else 0
                size += frame_bytes(len(entry.payload))
                self._limit.grew(self.homes.stores(), size)
            if where.remote is not None:
                where.remote.share(
                    where.name, entry, where.store, replace=replace, is_wanted=self._counts
                )
        except Exception as error:  # pickling runs code of the result's class
            self.warn(f"cannot keep a result: {type(error).__name__}: {error}")
            return
        self._warner.note_success()
        if where.quick is None:
            self.quick.clear()  # it may be one of these that was replaced
        elif not entry.flags:
            self._learn(where.quick, where.bucket, entry)
        if used.listeners:
            self._tell(where.bucket, entry, hit=hit)

    def _learn(self, call: QuickKey, bucket: Bucket, entry: Entry) -> None:
        learn(self.quick, call, bucket, entry, self.homes.home().recheck_ns)

    def _tell(self, bucket: Bucket, entry: Entry, *, hit: bool) -> None:
        used.send(EntryUsed(self.title, entry, bucket.path, bucket.sidecars, hit))


def _no_part_of_a_function(_: Results) -> None:
    return None


# A decorated function is digested like the function it decorates, whatever it was called with.
register(Results, _no_part_of_a_function)
