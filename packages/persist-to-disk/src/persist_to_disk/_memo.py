"""One decorated function: from a call to its result, by way of the disk.

call → bound arguments → key → bucket → entry; without one: lock of the key → look again →
compute → entry.  Looking up takes no lock, and no lock but the key's own is held while the
function runs.  Whatever goes wrong with the disk, the caller gets the function's result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from expcore import register
from persist_to_disk._bucket import Bucket
from persist_to_disk._call import Binder
from persist_to_disk._code import Code
from persist_to_disk._computing import Computing, is_computing
from persist_to_disk._counts import FILE as COUNTS_FILE
from persist_to_disk._frames import FLAG_RAISED
from persist_to_disk._home import Homes
from persist_to_disk._quick import QuickKey, is_constant, is_plain, quick_key
from persist_to_disk._results import MISSING, Results, Where
from persist_to_disk._store import bucket_bytes, bucket_files
from persist_to_disk._switch import Switch, to_switch
from persist_to_disk.errors import NotCachedError, UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from persist_to_disk._options import Options


class CacheInfo(NamedTuple):
    """What a function's cache did in this process, and what is on disk."""

    hits: int
    misses: int
    entries: int
    """Results on disk, of all versions of the function's code."""
    size_bytes: int
    """What they take, sidecars included."""


class Memo:
    """A function whose results are kept on disk."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        self.function = function
        self.options = options
        self.title = f"{function.__module__}.{function.__qualname__}"
        self._binder = Binder(
            function,
            function.__qualname__,
            skip=options.skip,
            expand=options.expand,
            groupby=options.groupby,
        )
        self._homes = Homes(function, options)
        self._code = Code(function, options, self._homes.project_path)
        self._may_be_quick = (
            self._code.is_fixed
            and all(map(is_constant, self._binder.defaults))
            and not (options.cache or options.ttl_s or options.max_bytes)
        )
        self.results = Results(self.title, function.__module__, options, self._homes)

    def __reduce__(self) -> tuple[Any, ...]:
        # For pickling by value (cloudpickle); by name, only the wrapper's name is pickled.
        return Memo, (self.function, self.options)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the result of a call, from disk if it is there."""
        switch, where = self._begin(args, kwargs)
        if where is None:
            with self._code.running():
                return self.function(*args, **kwargs)
        found = self._answer(switch, where)
        if found is not MISSING:
            return found
        with Computing(where.bucket, where.key, where.store.computing(where.key)):
            if switch is not Switch.RECACHE:
                found = self.results.load(where)
                if found is MISSING:
                    found = self.results.fetch(where)
                if found is not MISSING:
                    return found
            try:
                with self._code.running():
                    value = self.function(*args, **kwargs)
            except self.options.cache_exceptions as error:
                self.results.keep(where, switch, error, FLAG_RAISED)
                raise
            self.results.keep(where, switch, value)
            return value

    async def call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the awaited result of a call, from disk if it is there."""
        switch, where = self._begin(args, kwargs)
        if where is None:
            with self._code.running():
                return await self.function(*args, **kwargs)
        found = self._answer(switch, where)
        if found is not MISSING:
            return found
        async with Computing(where.bucket, where.key, where.store.computing(where.key)):
            if switch is not Switch.RECACHE:
                found = self.results.load(where)
                if found is MISSING and where.remote is not None:
                    import asyncio

                    found = await asyncio.to_thread(self.results.fetch, where)
                if found is not MISSING:
                    return found
            try:
                with self._code.running():
                    value = await self.function(*args, **kwargs)
            except self.options.cache_exceptions as error:
                self.results.keep(where, switch, error, FLAG_RAISED)
                raise
            self.results.keep(where, switch, value)
            return value

    def cache_info(self) -> CacheInfo:
        """Return hits and misses of this process, and the entries on disk."""
        entries = size = 0
        for store in self._homes.stores():
            for path in bucket_files(store.folder):
                bucket = Bucket(path, trust=self.options.trust)
                entries += sum(1 for _ in bucket.current())
                size += bucket_bytes(path)
        return CacheInfo(self.results.hits, self.results.misses, entries, size)

    def cache_path(self, *args: Any, **kwargs: Any) -> Path:
        """Return the bucket file of a call; it need not exist."""
        return self._where(self._binder.bind(*args, **kwargs)).bucket.path

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Say whether a call would be answered from disk."""
        return self.results.has(self._where(self._binder.bind(*args, **kwargs)))

    def clear(self) -> None:
        """Delete all results of the function, of all versions of its code.

        Where results are shared, they are deleted in the storage too, and whatever it raises
        is raised; other machines keep the copies they have.
        """
        for store in self._homes.stores():
            store.clear()
        if (remote := self._homes.home().remote) is not None:
            remote.clear()
        (self._homes.home().folder / COUNTS_FILE).unlink(missing_ok=True)
        self.results.forget()

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
            self.results.warn(f"has no folder: {error}")
            return switch, None
        if is_computing(where.bucket, where.key):
            return switch, None
        return switch, where

    def _answer(self, switch: Switch, where: Where) -> Any:
        """Return what can be returned without computing, or MISSING."""
        if switch is Switch.CHECKONLY:
            return self.results.has(where)
        if switch is Switch.RECACHE:
            return MISSING
        # What was not there when this process last looked is most often not there yet: whoever
        # is to compute looks again anyway, having the lock.
        is_new = switch is Switch.CACHE and where.bucket.lacked(where.key)
        found = MISSING if is_new else self.results.load(where)
        if found is MISSING:
            found = self.results.load_from_elsewhere(where)
        if found is MISSING and switch is Switch.READONLY:
            found = self.results.fetch(where)
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


def _function_of(memo: Memo) -> Callable[..., Any]:
    return memo.function


# A decorated function as an argument, or in a closure, is what it decorates.
register(Memo, _function_of)
