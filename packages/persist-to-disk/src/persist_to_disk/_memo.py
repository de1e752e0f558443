"""One decorated function: from a call to its result, by way of the disk.

call → bound arguments → key → bucket → entry; without one: lock of the key → look again →
compute → entry.  Looking up takes no lock, and no lock but the key's own is held while the
function runs.  Whatever goes wrong with the disk, the caller gets the function's result.
"""

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from expcore import register
from persist_to_disk._bucket import Bucket, Entry
from persist_to_disk._call import Binder
from persist_to_disk._code import Code
from persist_to_disk._computing import computing, computing_async, is_computing
from persist_to_disk._counts import FILE as COUNTS_FILE
from persist_to_disk._counts import Counts, add_counts, count
from persist_to_disk._events import EntryUsed, used
from persist_to_disk._evict import Limit
from persist_to_disk._frames import FLAG_RAISED, FLAG_SIDECAR, frame_bytes
from persist_to_disk._home import Homes
from persist_to_disk._old import NOTHING
from persist_to_disk._quick import KnownCalls, QuickKey, is_plain, learn, quick_key
from persist_to_disk._store import Store, bucket_files
from persist_to_disk._switch import Switch, to_switch
from persist_to_disk._values import DamagedEntryError, sidecar_facts
from persist_to_disk.errors import (
    NotCachedError,
    PersistError,
    PersistWarning,
    UnsafePathError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from persist_to_disk._options import Options
    from persist_to_disk._remote import Fetched, Remote

log = logging.getLogger("persist_to_disk")

MISSING: Final = object()


class CacheInfo(NamedTuple):
    """What a function's cache did in this process, and what is on disk."""

    hits: int
    misses: int
    entries: int
    """Results on disk, of all versions of the function's code."""
    size_bytes: int
    """What they take, sidecars included."""


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


class Memo:
    """A function whose results are kept on disk."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        self.function = function
        self.options = options
        self.title = f"{function.__module__}.{function.__qualname__}"
        self.hits = self.misses = 0
        self.quick = KnownCalls()
        self._binder = Binder(
            function,
            function.__qualname__,
            skip=options.skip,
            expand=options.expand,
            groupby=options.groupby,
        )
        self._homes = Homes(function, options)
        self._code = Code(function, options, self._homes.project_path)
        self._may_be_quick = self._code.is_fixed and not (
            options.cache or options.ttl_s or options.max_bytes
        )
        self._limit = None if options.max_bytes is None else Limit(options.max_bytes)
        self._warned = False
        self._counted = Counts(0, 0)
        count(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # For pickling by value (cloudpickle); by name, only the wrapper's name is pickled.
        return Memo, (self.function, self.options)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the result of a call, from disk if it is there."""
        switch, where = self._begin(args, kwargs)
        if where is None:
            return self.function(*args, **kwargs)
        found = self._answer(switch, where)
        if found is not MISSING:
            return found
        with computing(where.bucket, where.key, where.store.computing(where.key)) as held:
            if switch is not Switch.RECACHE:
                found = self._load(where, where.store) if held else MISSING
                if found is MISSING:
                    found = self._fetch(where)
                if found is not MISSING:
                    return found
            try:
                value = self.function(*args, **kwargs)
            except self.options.cache_exceptions as error:
                self._keep(where, switch, error, FLAG_RAISED)
                raise
            self._keep(where, switch, value)
            return value

    async def call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the awaited result of a call, from disk if it is there."""
        switch, where = self._begin(args, kwargs)
        if where is None:
            return await self.function(*args, **kwargs)
        found = self._answer(switch, where)
        if found is not MISSING:
            return found
        async with computing_async(
            where.bucket, where.key, where.store.computing(where.key)
        ) as held:
            if switch is not Switch.RECACHE:
                found = self._load(where, where.store) if held else MISSING
                if found is MISSING and where.remote is not None:
                    import asyncio

                    found = await asyncio.to_thread(self._fetch, where)
                if found is not MISSING:
                    return found
            try:
                value = await self.function(*args, **kwargs)
            except self.options.cache_exceptions as error:
                self._keep(where, switch, error, FLAG_RAISED)
                raise
            self._keep(where, switch, value)
            return value

    def cache_info(self) -> CacheInfo:
        """Return hits and misses of this process, and the entries on disk."""
        entries = size = 0
        for store in self._homes.stores():
            for path in bucket_files(store.folder):
                bucket = Bucket(path, trust=self.options.trust)
                entries += sum(1 for _ in bucket.current())
                size += sum(file.stat().st_size for file in [path, *bucket.sidecars.glob("*")])
        return CacheInfo(self.hits, self.misses, entries, size)

    def cache_path(self, *args: Any, **kwargs: Any) -> Path:
        """Return the bucket file of a call; it need not exist."""
        return self._where(self._binder.bind(*args, **kwargs)).bucket.path

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Say whether a call would be answered from disk."""
        return self._has(self._where(self._binder.bind(*args, **kwargs)))

    def clear(self) -> None:
        """Delete all results of the function, of all versions of its code.

        Where results are shared, they are deleted in the storage too, and whatever it raises
        is raised; other machines keep the copies they have.
        """
        for store in self._homes.stores():
            store.clear()
        if (remote := self._homes.home().remote) is not None:
            remote.clear()
        self.hits = self.misses = 0
        self._counted = Counts(0, 0)
        (self._homes.home().folder / COUNTS_FILE).unlink(missing_ok=True)
        self.quick.clear()

    def add_counts(self) -> None:
        """Add the hits and misses since the last time to the function's file."""
        hits, misses = self.hits - self._counted.hits, self.misses - self._counted.misses
        if hits or misses:
            self.forget_counts()
            try:
                folder = self._homes.home().folder
            except (OSError, PersistError):  # the settings are another by now, or gone
                return
            add_counts(folder, hits, misses)

    def forget_counts(self) -> None:
        """Count from here on."""
        self._counted = Counts(self.hits, self.misses)

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Switch, Where | None]:
        """Return what the call may do, and the place of its entry; None to just call.

        Takes the switch out of ``kwargs``.
        """
        options = self.options
        quick = None
        if self._may_be_quick and is_plain(args, kwargs):
            quick = quick_key(args, kwargs)
        given = None
        if kwargs and options.switch_kwarg in kwargs:
            given, quick = kwargs.pop(options.switch_kwarg), None
        switch = options.cache or (Switch.CACHE if given is None else to_switch(given))
        bound = self._binder.bind(*args, **kwargs)
        if switch is Switch.NOCACHE:
            return switch, None
        try:
            where = self._where(bound, quick)
        except UnsafePathError:
            raise
        except OSError as error:
            self._warn(f"has no folder: {error}")
            return switch, None
        if is_computing(where.bucket, where.key):
            return switch, None
        return switch, where

    def _answer(self, switch: Switch, where: Where) -> Any:
        """Return what can be returned without computing, or MISSING."""
        if switch is Switch.CHECKONLY:
            return self._has(where)
        if switch is Switch.RECACHE:
            return MISSING
        found = self._load(where, where.store)
        if found is MISSING:
            found = self._load_from_elsewhere(where)
        if found is MISSING and switch is Switch.READONLY:
            found = self._fetch(where)
        if found is MISSING and switch is Switch.READONLY:
            raise NotCachedError(self.title, where.bucket.path)
        return found

    def _where(self, bound: tuple[object, ...], quick: QuickKey | None = None) -> Where:
        named = self._binder.counting(bound)
        code = self._code.digest()
        key = self._binder.key(code, named)
        groups = self._binder.group_folders(named)
        store = self._homes.store(groups)
        others = self._homes.others(groups) if self.options.alt_dirs else ()
        remote = self._homes.home().remote
        name = remote.name(groups, key) if remote else ""
        return Where(store, store.bucket(key), key, others, named, code, quick, remote, name)

    def _find(self, bucket: Bucket, key: bytes) -> Entry | None:
        try:
            entry = bucket.find(key)
        except UnsafePathError:
            raise
        except OSError as error:
            self._warn(f"cannot read its cache: {error}")
            return None
        return entry if entry and self._is_fresh(entry) else None

    def _is_fresh(self, entry: Entry | Fetched) -> bool:
        ttl_s = self.options.ttl_s
        return ttl_s is None or time.time_ns() - entry.written_ns <= ttl_s * 1e9

    def _has(self, where: Where) -> bool:
        """Say whether there is an entry, without reading its result."""
        stores = (where.store, *where.others)
        if any(self._find(store.bucket(where.key), where.key) for store in stores):
            return True
        if self._install(where):
            return True
        return self._find_old(where) is not NOTHING

    def _load(self, where: Where, store: Store) -> Any:
        """Return the result that a store has, or MISSING."""
        bucket = where.bucket if store is where.store else store.bucket(where.key)
        entry = self._find(bucket, where.key)
        if entry is None:
            return MISSING
        try:
            value = bucket.load(entry)
        except DamagedEntryError as error:
            if self._find(bucket, where.key) != entry:  # replaced or removed while it was read
                return self._load(where, store)
            self._warn(f"cannot read a stored result back: {error}")
            return MISSING
        if entry.flags & FLAG_RAISED:
            if not isinstance(value, self.options.cache_exceptions):
                return MISSING
        elif where.quick is not None and not entry.flags:
            self._learn(where.quick, bucket, entry)
        if store is not where.store:
            self._adopt(where, value, entry.flags & FLAG_RAISED)
        else:
            self._tell(bucket, entry, hit=True)
        if self._limit is not None:
            self._limit.note(where.store, where.key)
        self.hits += 1
        if entry.flags & FLAG_RAISED:
            raise value
        return value

    def _fetch(self, where: Where) -> Any:
        """Return the result that another machine stored, or MISSING."""
        return self._load(where, where.store) if self._install(where) else MISSING

    def _install(self, where: Where) -> bool:
        """Store here what another machine stored, if it did."""
        if where.remote is None:
            return False
        try:
            found = where.remote.fetch(where.name)
            if found is None or not self._is_fresh(found):
                return False
            where.store.install(where.bucket, where.key, found)
        except Exception as error:  # whatever a storage raises
            self._warn(f"cannot look up what is shared: {type(error).__name__}: {error}")
            return False
        return True

    def _load_from_elsewhere(self, where: Where) -> Any:
        """Return the result that another folder or version 0.0.7 has, or MISSING."""
        for store in where.others:
            found = self._load(where, store)
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
        for old in self._homes.home().old:
            found = old.find(where.named, where.code)
            if found is not NOTHING:
                return found
        return NOTHING

    def _keep(self, where: Where, switch: Switch, value: object, flags: int = 0) -> None:
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
                self._limit.grew(self._homes.stores(), size)
            if where.remote is not None:
                where.remote.share(
                    where.name, entry, where.store, replace=replace, is_wanted=self._is_fresh
                )
        except Exception as error:  # pickling runs code of the result's class
            self._warn(f"cannot keep a result: {type(error).__name__}: {error}")
            return
        self._warned = False
        if where.quick is None:
            self.quick.clear()  # it may be one of these that was replaced
        elif not entry.flags:
            self._learn(where.quick, where.bucket, entry)
        self._tell(where.bucket, entry, hit=hit)

    def _learn(self, call: QuickKey, bucket: Bucket, entry: Entry) -> None:
        learn(self.quick, call, bucket, entry, self._homes.home().recheck_ns)

    def _tell(self, bucket: Bucket, entry: Entry, *, hit: bool) -> None:
        if used.listeners:
            used.send(EntryUsed(self.title, entry, bucket.path, bucket.sidecars, hit))

    def _warn(self, problem: str) -> None:
        """Warn, once until a result is stored again."""
        log.warning("%s %s", self.title, problem)
        if not self._warned:
            self._warned = True
            text = f"persist_to_disk: {self.title} {problem}; the call is computed as usual"
            warnings.warn(text, PersistWarning, stacklevel=5)


def _function_of(memo: Memo) -> Callable[..., Any]:
    return memo.function


# A decorated function as an argument, or in a closure, is what it decorates.
register(Memo, _function_of)
