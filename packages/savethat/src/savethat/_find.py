"""Find runs, by what their folders hold, locally and remotely by the same rules.

A run is *completed* when it has ``results.pickle``. One without results is *failed*, unless its
state says otherwise, or that it is still going on. Ten thousand runs are listed by looking into no
folder: only what is asked for is looked at.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from savethat._key import TIME, is_selected, parts_of
from savethat._state import GOING_ON, RESULTS, STATE, decode_state, read_state
from savethat.errors import NotSyncedWarning, SavethatWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from savethat._files import Files
    from savethat._state import RunState
    from savethat._storage import Storage

ARGS = "args.json"
READERS = 32


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs to find."""

    path: str = ""
    only_failed: bool = False
    only_completed: bool = False
    before: datetime | None = None
    after: datetime | None = None

    def key_filter(self) -> Callable[[str, str, str], bool]:
        """Whether a key is wanted; one without a time is not, if a time is asked for.

        Returns:
            A function of the key, the name and the time in it.
        """
        selection = self.path.rstrip("/")
        # A key has whole seconds: the run of 10:00:00 was made after 09:59:59.9.
        after = None if self.after is None else _in_utc(self.after).strftime(TIME)
        before = None if self.before is None else _in_utc(self.before).strftime(TIME)

        def is_wanted(key: str, name: str, time: str) -> bool:
            if selection and not is_selected(key, name, selection):
                return False
            if after is None and before is None:
                return True
            return bool(time) and (after or "") <= time and (before is None or time <= before)

        return is_wanted

    def has_state(self, state: str) -> bool:
        """Whether a run of this state is wanted."""
        if self.only_completed:
            return state == "completed"
        return not self.only_failed or state not in ("completed", *GOING_ON)


class Found:
    """A run that was found: here, or (with its ``names``) only remotely."""

    def __init__(
        self, storage: Storage, key: str, time: str, names: list[str] | None = None
    ) -> None:
        self.storage, self.key, self.time, self.local = storage, key, time, names is None
        self._names = names
        self._read: dict[str, bytes | None] = {}

    @property
    def files(self) -> list[str]:
        """Its files, relative to its folder, with slashes, sorted."""
        if self._names is None:
            self._names = sorted(files_below(f"{self.storage.storage_path}{os.sep}{self.key}"))
        return self._names

    @property
    def completed(self) -> bool:
        """Whether its results are there, which are written whole or not at all."""
        return self.has(RESULTS)

    @property
    def state(self) -> str:
        """The run's state, seen from here: also *lost*."""
        if self.completed:
            return "completed"
        data = self.read(STATE)
        try:
            state = "failed" if data is None else decode_state(data).now
        except ValueError as error:
            self._warn(STATE, error)
            return "failed"
        return "failed" if state == "completed" else state  # its results have been taken away

    @property
    def args(self) -> dict[str, Any]:
        """What ``args.json`` holds."""
        try:
            content: Any = json.loads(self.read(ARGS) or b"{}")
        except ValueError as error:
            self._warn(ARGS, error)
            content = {}
        return content if isinstance(content, dict) else {}

    def _warn(self, name: str, error: ValueError) -> None:
        text = f"{self.key}/{name} cannot be read: {error}"
        warnings.warn(text, SavethatWarning, stacklevel=4)

    def has(self, name: str) -> bool:
        """Whether it has a file of that name."""
        if self._names is not None:
            return name in self._names
        return os.path.exists(f"{self.storage.storage_path}{os.sep}{self.key}{os.sep}{name}")  # noqa: PTH110 # ten thousand times

    def read(self, name: str) -> bytes | None:
        """One of its files; None if there is none."""
        if not self.has(name):
            return None
        if self.local:
            return (self.storage / self.key / name).read_bytes()
        if name not in self._read:
            self._read[name] = self._read_remotely(name)
        return self._read[name]

    def _read_remotely(self, name: str) -> bytes | None:
        from expcore import KeyNotFound

        try:
            remote = self.storage.remote
            return None if remote is None else remote.read(f"{self.key}/{name}")
        except KeyNotFound:  # removed meanwhile
            return None


def fetch(found: Sequence[Found], *, args: bool) -> None:
    """Read what is needed of the runs that are only remote: many at once, for each takes a while.

    Args:
        found: The runs.
        args: Whether their arguments are needed, besides the state.
    """
    reads = [(run, STATE) for run in found if not (run.local or run.completed)]
    reads += [(run, ARGS) for run in found if args and not run.local]
    if not reads:
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(READERS, "savethat-find") as pool:
        list(pool.map(lambda read: read[0].read(read[1]), reads))


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def select(storage: Storage, wanted: Wanted, *, remote: bool) -> list[Found]:
    """The wanted runs, oldest first."""
    found = by_key(storage, wanted, remote=remote)
    if wanted.only_completed:
        return [run for run in found if run.completed]
    if wanted.only_failed:
        fetch(found, args=False)
        return [run for run in found if wanted.has_state(run.state)]
    return found


def by_key(storage: Storage, wanted: Wanted, *, remote: bool) -> list[Found]:
    is_wanted = wanted.key_filter()
    runs = {run.key: run for run in _local_runs(storage, is_wanted)}
    if remote and storage.config.remote is not None:
        try:
            for run in _remote_runs(storage, wanted, is_wanted):
                # A folder without arguments holds a file or two of a run that is only remote.
                if run.key not in runs or not runs[run.key].has(ARGS):
                    runs[run.key] = run
        except Exception as error:  # an extra may be missing, a key wrong, ...
            text = f"only local runs are listed: {error}"
            warnings.warn(text, NotSyncedWarning, stacklevel=5)
    return sorted(runs.values(), key=lambda run: (run.time, run.key))


def _local_runs(storage: Storage, is_wanted: Callable[[str, str, str], bool]) -> Iterator[Found]:
    root = f"{storage.storage_path}{os.sep}"
    try:
        keys = os.listdir(root)  # noqa: PTH208 # names only
    except FileNotFoundError:
        return  # no run was made yet
    args = f"{os.sep}{ARGS}"
    for key in keys:
        if key[0] == ".":
            continue
        name, time, unique = parts_of(key)
        # What is a run by its name is not looked into.
        if is_wanted(key, name, time) and (unique or os.path.exists(root + key + args)):  # noqa: PTH110
            yield Found(storage, key, time)


def files_below(folder: str, prefix: str = "") -> Iterator[str]:
    """The files below a folder, with slashes; not what is being written."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(entry.path, f"{prefix}{entry.name}/")
            elif not (entry.name[0] == "." and entry.name.endswith(".tmp")):
                yield prefix + entry.name


def _remote_runs(
    storage: Storage, wanted: Wanted, is_wanted: Callable[[str, str, str], bool]
) -> Iterator[Found]:
    from savethat._remote import impatient

    remote = storage.remote
    if remote is None:
        return
    files: dict[str, list[str]] = {}
    for entry in impatient(remote).list(wanted.path.rstrip("/")):
        key, slash, name = entry.key.partition("/")
        if slash:
            files.setdefault(key, []).append(name)
    for key, names in files.items():
        name, time, unique = parts_of(key)
        if is_wanted(key, name, time) and (unique or ARGS in names):
            yield Found(storage, key, time, sorted(names))


def read_any_state(storage: Files, key: str, *, remote: bool) -> RunState | None:
    """The state of a run that is here or (``remote``) there; None if it has none."""
    from expcore import KeyNotFound

    state = read_state(storage / key) if (storage / key).is_dir() else None
    if state is None and remote and storage.remote is not None:
        try:
            state = decode_state(storage.remote.read(f"{key}/{STATE}"))
        except KeyNotFound:
            return None
    return state
