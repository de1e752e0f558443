"""One decorated function: from a call to its result, by way of the disk.

call → bound arguments → key → bucket → entry; without one: lock of the key → look again →
compute → entry.  Looking up takes no lock, and no lock but the key's own is held while the
function runs.  Whatever goes wrong with the disk, the caller gets the function's result.
"""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from expcore import UndigestableError, digest, register
from persist_to_disk._bucket import Bucket
from persist_to_disk._call import Binder
from persist_to_disk._config import config
from persist_to_disk._events import EntryUsed, used
from persist_to_disk._frames import FLAG_RAISED
from persist_to_disk._guard import check_folders
from persist_to_disk._old import NOTHING, OldStore
from persist_to_disk._place import function_folder, module_folder, source_file
from persist_to_disk._store import Store, bucket_files
from persist_to_disk._switch import Switch, to_switch
from persist_to_disk._track import tracked_digest
from persist_to_disk._values import DamagedEntryError
from persist_to_disk.errors import (
    NotCachedError,
    PersistWarning,
    UnkeyableArgumentError,
    UnsafePathError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping

    from persist_to_disk._bucket import Entry
    from persist_to_disk._options import Options

log = logging.getLogger("persist_to_disk")

MISSING: Final = object()
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.2

# The keys whose results are being computed around the present call.
_computing: ContextVar[frozenset[tuple[str, bytes]]] = ContextVar("computing", default=frozenset())


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
    key: bytes
    others: tuple[Store, ...]
    """Where else to read."""
    named: Mapping[str, Any]
    """The arguments that count, and the digest of the code: by these, old results are found."""
    code: str


class Home(NamedTuple):
    """The folder of a function under one state of the settings."""

    version: int
    project: Path
    folder: Path
    stores: dict[tuple[Path, tuple[str, ...]], Store]
    old: tuple[OldStore, ...]


class Memo:
    """A function whose results are kept on disk."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        self.function = function
        self.options = options
        self.qualname = function.__qualname__
        self.title = f"{function.__module__}.{self.qualname}"
        self.binder = Binder(
            function,
            self.qualname,
            skip=options.skip,
            expand=options.expand,
            groupby=options.groupby,
        )
        self.source = source_file(function)
        # The project is where the function was decorated, wherever the script goes later.
        self.directory = _current_directory() or (self.source or Path()).parent
        self.hits = self.misses = 0
        self._home: Home | None = None
        self._code: str | None = None
        self._warned = False

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
        with self._exclusive(where) as first:
            if first and switch is not Switch.RECACHE:
                found = self._load(where)
                if found is not MISSING:
                    return found
            try:
                value = self.function(*args, **kwargs)
            except self.options.cache_exceptions as error:
                self._keep(where, error, FLAG_RAISED)
                raise
            self._keep(where, value)
            return value

    async def call_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the awaited result of a call, from disk if it is there."""
        switch, where = self._begin(args, kwargs)
        if where is None:
            return await self.function(*args, **kwargs)
        found = self._answer(switch, where)
        if found is not MISSING:
            return found
        async with self._exclusive_async(where) as first:
            if first and switch is not Switch.RECACHE:
                found = self._load(where)
                if found is not MISSING:
                    return found
            try:
                value = await self.function(*args, **kwargs)
            except self.options.cache_exceptions as error:
                self._keep(where, error, FLAG_RAISED)
                raise
            self._keep(where, value)
            return value

    def cache_info(self) -> CacheInfo:
        """Return hits and misses of this process, and the entries on disk."""
        entries = size = 0
        for folder in self._folders():
            for path in bucket_files(folder):
                bucket = Bucket(path, trust=self.options.trust)
                entries += sum(1 for _ in bucket.current())
                files = [path, *path.with_suffix(".d").glob("*")]
                size += sum(file.stat().st_size for file in files)
        return CacheInfo(self.hits, self.misses, entries, size)

    def cache_path(self, *args: Any, **kwargs: Any) -> Path:
        """Return the bucket file of a call; it need not exist."""
        where = self._where(self.binder.bind(*args, **kwargs))
        return where.store.bucket(where.key).path

    def is_cached(self, *args: Any, **kwargs: Any) -> bool:
        """Say whether a call would be answered from disk."""
        return self._has(self._where(self.binder.bind(*args, **kwargs)))

    def clear(self) -> None:
        """Delete all results of the function, of all versions of its code."""
        for folder in self._folders():
            self._store(folder).clear()
        self.hits = self.misses = 0

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Switch, Where | None]:
        """Return what the call may do, and the place of its entry; None to just call.

        Takes the switch out of ``kwargs``.
        """
        options = self.options
        given = kwargs.pop(options.switch_kwarg, None) if options.switch_kwarg else None
        switch = options.cache or (Switch.CACHE if given is None else to_switch(given))
        bound = self.binder.bind(*args, **kwargs)
        if switch is Switch.NOCACHE:
            return switch, None
        try:
            where = self._where(bound)
        except UnsafePathError:
            raise
        except OSError as error:
            self._warn(f"has no folder: {error}")
            return switch, None
        if (str(where.store.folder), where.key) in _computing.get():
            return switch, None
        return switch, where

    def _answer(self, switch: Switch, where: Where) -> Any:
        """Return what can be returned without computing, or MISSING."""
        if switch is Switch.CHECKONLY:
            return self._has(where)
        if switch is Switch.RECACHE:
            return MISSING
        found = self._load(where)
        if found is MISSING and switch is Switch.READONLY:
            raise NotCachedError(self.title, where.store.bucket(where.key).path)
        return found

    def _where(self, bound: tuple[object, ...]) -> Where:
        named = self.binder.counting(bound)
        code = self._code_digest()
        key = self.binder.key(code, named)
        groups = self.binder.group_folders(named)
        store = self._store(self._here().folder, groups)
        others = tuple(self._store(folder, groups) for folder in self.options.alt_dirs)
        return Where(store, key, others, named, code)

    def _code_digest(self) -> str:
        if self._code is not None:
            return self._code
        if self.options.version is not None:
            self._code = f"version {self.options.version}"
            return self._code
        try:
            if self.options.track is None:
                found = digest(self.function)
            else:
                found = tracked_digest(self.function, config.get_project_path(self.directory))
        except UndigestableError as error:
            raise UnkeyableArgumentError(self.title, "the function itself", str(error)) from error
        # What a closure holds may change from call to call.
        if getattr(self.function, "__closure__", None) is None:
            self._code = found
        return found

    def _here(self) -> Home:
        home = self._home
        if home is None or home.version != config.version:
            project_path = config.get_project_path(self.directory)
            project = config.get_project_persist_path(
                self.options.local, project_path=project_path
            )
            folder = project / function_folder(self.source, self.qualname, project_path)
            place = project / module_folder(self.source, project_path) / self.function.__name__
            hashsize = self.options.hashsize or config.get_hashsize()
            old = tuple(
                OldStore(old_folder, self.options, hashsize)
                for old_folder in (place, *self.options.alt_dirs)
            )
            home = self._home = Home(config.version, project, folder, {}, old)
        return home

    def _store(self, folder: Path, groups: tuple[str, ...] = ()) -> Store:
        home = self._here()
        store = home.stores.get((folder, groups))
        if store is None:
            options = self.options
            place = folder.joinpath(*groups)
            if not options.trust:
                inside = folder == home.folder
                check_folders(home.project.parent if inside else folder, place)
            granularity = options.lock_granularity or config.get_lock_granularity()
            shared = {"call": None, "func": folder, "global": home.project}[granularity]
            store = home.stores[folder, groups] = Store(
                place,
                hashsize=options.hashsize or config.get_hashsize(),
                shared_lock=shared,
                trust=options.trust,
            )
        return store

    def _folders(self) -> list[Path]:
        """Return the folders that hold the function's bucket files."""
        pattern = "/".join("*" for _ in self.options.groupby)
        folder = self._here().folder
        return [path for path in folder.glob(pattern) if path.is_dir()] if pattern else [folder]

    def _find(self, where: Where, store: Store | None = None) -> Entry | None:
        try:
            entry = (store or where.store).find(where.key)
        except UnsafePathError:
            raise
        except OSError as error:
            self._warn(f"cannot read its cache: {error}")
            return None
        ttl_s = self.options.ttl_s
        if entry and ttl_s is not None and time.time_ns() - entry.written_ns > ttl_s * 1e9:
            return None
        return entry

    def _has(self, where: Where) -> bool:
        """Say whether there is an entry, without reading it."""
        if any(self._find(where, store) for store in (where.store, *where.others)):
            return True
        return self._find_old(where) is not NOTHING

    def _load(self, where: Where) -> Any:
        """Return the stored result, or MISSING."""
        for store in (where.store, *where.others):
            entry = self._find(where, store)
            if entry is None:
                continue
            try:
                value = store.load(entry)
            except DamagedEntryError as error:
                again = self._find(where, store)
                if again is not None and again != entry:  # replaced while it was read
                    return self._load(where)
                self._warn(f"cannot read a stored result back: {error}")
                continue
            raised = entry.flags & FLAG_RAISED
            if raised and not isinstance(value, self.options.cache_exceptions):
                continue
            if store is not where.store:
                return self._adopt(where, value, raised)
            self.hits += 1
            self._tell(store, entry, hit=True)
            if raised:
                raise value
            return value
        value = self._find_old(where)
        return MISSING if value is NOTHING else self._adopt(where, value)

    def _find_old(self, where: Where) -> Any:
        """Return what version 0.0.7 stored for a call, or NOTHING."""
        found = (old.find(where.named, where.code) for old in self._here().old)
        return next((value for value in found if value is not NOTHING), NOTHING)

    def _adopt(self, where: Where, value: Any, raised: int = 0) -> Any:
        """Store here what was found elsewhere, and return it."""
        self.hits += 1
        try:
            entry = where.store.put(where.key, value, raised)
        except Exception as error:
            self._warn(f"cannot keep a result: {type(error).__name__}: {error}")
        else:
            self._tell(where.store, entry, hit=True)
        if raised:
            raise value
        return value

    def _keep(self, where: Where, value: object, flags: int = 0) -> None:
        self.misses += 1
        try:
            entry = where.store.put(where.key, value, flags)
        except Exception as error:
            self._warn(f"cannot keep a result: {type(error).__name__}: {error}")
            return
        self._warned = False
        self._tell(where.store, entry, hit=False)

    def _tell(self, store: Store, entry: Entry, *, hit: bool) -> None:
        bucket = store.bucket(entry.key).path
        used.send(EntryUsed(self.title, entry, bucket, store.sidecars(entry.key), hit))

    @contextmanager
    def _exclusive(self, where: Where) -> Generator[bool]:
        """Hold the lock of a key; yield False if there can be no lock."""
        lock = where.store.computing(where.key)
        with _inside(where):
            try:
                lock.acquire()
            except OSError as error:
                log.info("%s is computed without a lock: %s", self.title, error)
                yield False
                return
            try:
                yield True
            finally:
                lock.release()

    @asynccontextmanager
    async def _exclusive_async(self, where: Where) -> AsyncGenerator[bool]:
        """Do the same without blocking the event loop."""
        import asyncio

        lock = where.store.computing(where.key)
        pause_s = FIRST_PAUSE_S
        with _inside(where):
            try:
                while not lock.try_acquire():
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
            except OSError as error:
                log.info("%s is computed without a lock: %s", self.title, error)
                yield False
                return
            try:
                yield True
            finally:
                lock.release()

    def _warn(self, problem: str) -> None:
        """Warn, once until a result is stored again."""
        log.warning("%s %s", self.title, problem)
        if not self._warned:
            self._warned = True
            text = f"persist_to_disk: {self.title} {problem}; the call is computed as usual"
            warnings.warn(text, PersistWarning, stacklevel=5)


@contextmanager
def _inside(where: Where) -> Generator[None]:
    """Let a call inside its own computation pass through, instead of waiting for itself."""
    token = _computing.set(_computing.get() | {(str(where.store.folder), where.key)})
    try:
        yield
    finally:
        _computing.reset(token)


def _current_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return None


def _digest_by(memo: Memo) -> Callable[..., Any]:
    return memo.function


# A decorated function as an argument, or in a closure, is what it decorates.
register(Memo, _digest_by)
