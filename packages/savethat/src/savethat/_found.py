"""One run that was found, here or only remotely, of which only what is asked for is looked at."""

from __future__ import annotations

import os
import warnings
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from savethat._layout import ARGS, RESULTS, STATE, is_temporary
from savethat._reading import decode_object, read_file
from savethat.errors import SavethatWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from savethat._storage import Storage

READERS = 32
"""How many files of runs that are only remote are read at the same time."""


class Found:
    """A run that was found: here, or (with its ``names``) only remotely."""

    __slots__ = ("_names", "_read", "key", "local", "storage", "time")

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
            self._names = sorted(files_below(self.storage.root + self.key))
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
        from savethat._state import decode_state  # few have to be asked

        data = self.read(STATE)
        try:
            state = None if data is None else decode_state(data)
        except ValueError as error:
            self._warn(STATE, error)
            state = None
        if state is None:
            return "failed"
        if state.state != "completed":
            return state.now
        # Its results are still on their way to the remote, or they have been taken away.
        return "running" if not self.local and state.is_arriving else "failed"

    @property
    def args(self) -> dict[str, Any]:
        """What ``args.json`` holds."""
        try:
            return decode_object(self.read(ARGS) or b"{}")
        except ValueError as error:
            self._warn(ARGS, error)
            return {}

    def _warn(self, name: str, error: Exception) -> None:
        text = f"{self.key}/{name} cannot be read: {error}"
        warnings.warn(text, SavethatWarning, stacklevel=4)

    def has(self, name: str) -> bool:
        """Whether it has a file of that name."""
        if self._names is not None:
            return name in self._names
        # Ten thousand times: exists() takes half as long again.
        return os.access(f"{self.storage.root}{self.key}{os.sep}{name}", os.F_OK)

    def read(self, name: str) -> bytes | None:
        """One of its files; None if there is none."""
        if not self.has(name):
            return None
        if self.local:
            try:
                return read_file(self.storage / self.key / name)
            except FileNotFoundError:  # removed meanwhile
                return None
            except OSError as error:  # a folder of that name, not ours to read, ...
                self._warn(name, error)
                return None
        if name not in self._read:
            self._read[name] = self._read_remotely(name)
        return self._read[name]

    def _read_remotely(self, name: str) -> bytes | None:
        from expcore import KeyNotFound
        from savethat._remote import impatient

        try:
            remote = self.storage.remote
            return None if remote is None else impatient(remote).read(f"{self.key}/{name}")
        except KeyNotFound:  # removed meanwhile
            return None


def files_below(folder: str, prefix: str = "") -> Iterator[str]:
    """The files below a folder, with slashes; not what is being written, or was just removed."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(entry.path, f"{prefix}{entry.name}/")
            elif not is_temporary(entry.name):
                yield prefix + entry.name


def is_regular(path: Path) -> bool:
    """Whether a path is a file of its own: no link, no pipe, and not gone."""
    try:
        return S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


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
