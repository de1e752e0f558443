"""Find runs, by what their folders hold, locally and remotely by the same rules.

A run is *completed* when it has ``results.pickle``. One without results is *failed*, unless its
state says otherwise, or that it is still going on. Ten thousand runs are listed by looking into no
folder: only what is asked for is looked at.
"""

from __future__ import annotations

import gc
import os
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from savethat._found import Found, fetch
from savethat._key import TIME, parts_of
from savethat._layout import ARGS, GOING_ON, RESULTS, STATE
from savethat.errors import BrokenRun, NotSyncedWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from savethat._files import Files
    from savethat._state import RunState
    from savethat._storage import Storage


class Wanted(NamedTuple):
    """Which runs to find."""

    path: str = ""
    only_failed: bool = False
    only_completed: bool = False
    before: datetime | None = None
    after: datetime | None = None

    def key_filter(self) -> Callable[[str, str, str], bool]:
        """Whether a key is wanted; one without a time is not, if a time is asked for.

        A path is the start of a key, but a class's name is taken whole.

        Returns:
            A function of the key, the name and the time in it.

        >>> is_wanted = Wanted(path="FitOLS").key_filter()
        >>> is_wanted("FitOLS_2026-11-21T08-00-17_k3v9q1", "FitOLS", "2026-11-21T08-00-17")
        True
        >>> is_wanted("FitOLSBig_2026-11-21T08-00-17_k3v9q1", "FitOLSBig", "2026-11-21T08-00-17")
        False
        """
        start = self.path.rstrip("/")
        cuts_names = not start or start.endswith(("_", "-"))
        has_times = self.after is not None or self.before is not None
        # A key has whole seconds: the run of 10:00:00 was made after 09:59:59.9.
        after = "" if self.after is None else _in_utc(self.after).strftime(TIME)
        before = "9999" if self.before is None else _in_utc(self.before).strftime(TIME)

        def is_wanted(key: str, name: str, time: str) -> bool:
            if not key.startswith(start) or (len(name) > len(start) and not cuts_names):
                return False
            return not has_times or (time != "" and after <= time <= before)

        return is_wanted

    def has_state(self, state: str) -> bool:
        """Whether a run of this state is wanted."""
        if self.only_completed:
            return state == "completed"
        return not self.only_failed or state not in ("completed", *GOING_ON)


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def select(storage: Storage, wanted: Wanted, *, remote: bool) -> list[Found]:
    """The wanted runs, oldest first."""
    with no_collection():
        found = by_key(storage, wanted, remote=remote)
    if wanted.only_completed:
        return _completed(storage.root, found)
    if wanted.only_failed:
        fetch(found, args=False)
        return [run for run in found if wanted.has_state(run.state)]
    return found


def _completed(root: str, found: list[Found]) -> list[Found]:
    """The runs that have results; ten thousand are looked up faster from an open folder."""
    opens = os.access in os.supports_dir_fd and os.path.isdir(root)  # noqa: PTH112
    folder = os.open(root, os.O_RDONLY) if opens else None
    start, results = "" if opens else root, os.sep + RESULTS
    try:
        return [
            run
            for run in found
            if (
                os.access(start + run.key + results, os.F_OK, dir_fd=folder)
                if run.local
                else run.completed
            )
        ]
    finally:
        if folder is not None:
            os.close(folder)


def by_key(storage: Storage, wanted: Wanted, *, remote: bool) -> list[Found]:
    is_wanted = wanted.key_filter()
    found = _local_runs(storage, is_wanted)
    if remote and storage.config.remote is not None:
        runs = {run.key: run for run in found}
        try:
            for run in _remote_runs(storage, wanted, is_wanted):
                here = runs.get(run.key)
                # A folder without arguments holds a file or two of a run that is only remote; one
                # without results may have been downloaded while the run went on.
                if here is None or not here.has(ARGS) or (run.completed and not here.completed):
                    runs[run.key] = run
        except Exception as error:  # an extra may be missing, a key wrong, ...
            text = f"only local runs are listed: {error}"
            warnings.warn(text, NotSyncedWarning, stacklevel=5)
        found = list(runs.values())
    # One after the other, which is much faster than by both.
    found.sort(key=attrgetter("key"))
    found.sort(key=attrgetter("time"))
    return found


def _local_runs(storage: Storage, is_wanted: Callable[[str, str, str], bool]) -> list[Found]:
    root = storage.root
    try:
        keys = os.listdir(root)  # noqa: PTH208 # names only
    except FileNotFoundError:
        return []  # no run was made yet
    args = f"{os.sep}{ARGS}"
    found: list[Found] = []
    for key in keys:
        name, time, unique = parts_of(key)
        # What is a run by its name is not looked into.
        if (
            is_wanted(key, name, time)
            and key[0] != "."
            and (unique or os.path.exists(root + key + args))  # noqa: PTH110
        ):
            found.append(Found(storage, key, time))
    return found


def _remote_runs(
    storage: Storage, wanted: Wanted, is_wanted: Callable[[str, str, str], bool]
) -> Iterator[Found]:
    from expcore import InvalidKey
    from expcore.backend import check_prefix
    from savethat._remote import impatient

    remote = storage.remote
    if remote is None:
        return
    check_prefix(wanted.path.rstrip("/"))  # or what was mistyped seems to be there
    files: dict[str, list[str]] = {}
    try:
        for entry in impatient(remote).list(wanted.path.rstrip("/")):
            key, slash, name = entry.key.partition("/")
            if slash:
                files.setdefault(key, []).append(name)
    except InvalidKey as error:  # all others were listed before
        text = f"{remote.url} holds what no run has written: {error}"
        warnings.warn(text, NotSyncedWarning, stacklevel=7)
    for key, names in files.items():
        name, time, unique = parts_of(key)
        if is_wanted(key, name, time) and (unique or ARGS in names):
            yield Found(storage, key, time, sorted(names))


def read_any_state(storage: Files, key: str, *, remote: bool) -> RunState | None:
    """The state of a run that is here or (``remote``) there; None if it has none.

    Raises:
        BrokenRun: The file holds no state.
    """
    from expcore import KeyNotFound
    from savethat._state import decode_state, read_state

    state = read_state(storage / key) if (storage / key).is_dir() else None
    if state is None and remote and storage.remote is not None:
        try:
            state = decode_state(storage.remote.read(f"{key}/{STATE}"))
        except KeyNotFound:
            return None
        except ValueError as error:
            raise BrokenRun(key, STATE, str(error)) from error
    return state


@contextmanager
def no_collection() -> Generator[None]:
    """Ten thousand runs are as many objects as make Python look for garbage, again and again.

    There is none among them, and looking takes as long as describing them.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
