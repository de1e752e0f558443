"""Find runs, by what their folders hold, locally and remotely by the same rules.

A run is *completed* when it has ``results.pickle``. One without results is *failed*, unless its
state says that it is still going on.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savethat._key import date_of_key, is_selected
from savethat._state import GOING_ON, RESULTS, STATE, decode_state, read_state
from savethat.errors import NotSyncedWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from savethat._state import RunState
    from savethat._storage import Storage

ARGS = "args.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs to find."""

    only_failed: bool = False
    only_completed: bool = False
    before: datetime | None = None
    after: datetime | None = None

    def by_key(self, key: str) -> bool:
        """Whether the time in a key is wanted; a run without a time is not, if one is asked."""
        if self.before is None and self.after is None:
            return True
        date = date_of_key(key)
        if date is None:
            return False
        return not (
            (self.before is not None and date > _in_utc(self.before))
            # A key has whole seconds: the run of 10:00:00 was made after 09:59:59.9.
            or (self.after is not None and date < _in_utc(self.after).replace(microsecond=0))
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A run that was found."""

    key: str
    files: tuple[str, ...]
    """Relative to its folder, with slashes, sorted."""
    local: bool

    @property
    def completed(self) -> bool:
        """Whether its results are there, which are written whole or not at all."""
        return RESULTS in self.files


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def select(storage: Storage, path: str, remote: bool, wanted: Wanted) -> list[Found]:
    """The wanted runs, oldest first."""
    selection = path.rstrip("/")
    runs = {run.key: run for run in _local_runs(storage, selection, wanted)}
    if remote and storage.config.remote is not None:
        try:
            for run in _remote_runs(storage, selection, wanted):
                runs.setdefault(run.key, run)
        except OSError as error:
            text = f"only local runs are listed: {error}"
            warnings.warn(text, NotSyncedWarning, stacklevel=4)
    oldest = datetime.min.replace(tzinfo=UTC)
    chosen = [run for run in runs.values() if _is_wanted(storage, run, wanted)]
    return sorted(chosen, key=lambda run: (date_of_key(run.key) or oldest, run.key))


def _is_wanted(storage: Storage, run: Found, wanted: Wanted) -> bool:
    if wanted.only_completed and not run.completed:
        return False
    if wanted.only_failed:
        return not run.completed and state_of(storage, run) not in GOING_ON
    return True


def _local_runs(storage: Storage, selection: str, wanted: Wanted) -> Iterator[Found]:
    try:
        with os.scandir(storage.storage_path) as entries:
            keys = [entry.name for entry in entries if _may_be_run(entry)]
    except FileNotFoundError:
        return  # no run was made yet
    for key in keys:
        if is_selected(key, selection) and wanted.by_key(key):
            files = tuple(sorted(_files_below(storage.storage_path / key)))
            if ARGS in files:
                yield Found(key, files, local=True)


def _may_be_run(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_dir()


def _files_below(folder: Path, prefix: str = "") -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(Path(entry.path), f"{prefix}{entry.name}/")
            elif not (entry.name.startswith(".") and entry.name.endswith(".tmp")):
                yield prefix + entry.name


def _remote_runs(storage: Storage, selection: str, wanted: Wanted) -> Iterator[Found]:
    remote = storage.remote
    if remote is None:
        return
    files: dict[str, list[str]] = {}
    for entry in remote.list(selection):
        key, slash, name = entry.key.partition("/")
        if slash:
            files.setdefault(key, []).append(name)
    for key, names in files.items():
        if ARGS in names and is_selected(key, selection) and wanted.by_key(key):
            yield Found(key, tuple(sorted(names)), local=False)


def _read(storage: Storage, run: Found, name: str) -> bytes | None:
    if name not in run.files:
        return None
    if run.local:
        return (storage / run.key / name).read_bytes()
    return None if storage.remote is None else storage.remote.read(f"{run.key}/{name}")


def state_of(storage: Storage, run: Found) -> str:
    """The run's state, seen from here: also *lost*."""
    if run.completed:
        return "completed"
    data = _read(storage, run, STATE)
    state = "failed" if data is None else decode_state(data).now
    return "failed" if state == "completed" else state  # its results have been taken away


def read_any_state(storage: Storage, key: str, *, remote: bool) -> RunState | None:
    """The state of a run that is here or (``remote``) there; None if it has none."""
    from expcore import KeyNotFound

    state = read_state(storage / key) if (storage / key).is_dir() else None
    if state is None and remote and storage.remote is not None:
        try:
            state = decode_state(storage.remote.read(f"{key}/{STATE}"))
        except KeyNotFound:
            return None
    return state


def describe(storage: Storage, run: Found, *, absolute: bool) -> dict[str, Any]:
    """What ``find_runs`` gives for a run."""
    base = storage.storage_path if absolute else Path()
    args: dict[str, Any] = json.loads(_read(storage, run, ARGS) or b"{}")
    return {
        "run_key": str(base / run.key),
        "run_date": date_of_key(run.key),
        "run_completed": run.completed,
        "run_state": state_of(storage, run),
        "run_files": [str(base / run.key / file) for file in run.files],
        **args,
    }


def count_files(runs: Iterable[Found]) -> int:
    """How many files some runs have together."""
    return sum(len(run.files) for run in runs)
