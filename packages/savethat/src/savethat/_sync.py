"""A run and its remote copy: claim the key there, upload beside the run, and to the end.

A run that the remote does not have all of is *pending*: its state says so, and an empty file named
by its key in ``.savethat/pending`` of the local storage lets it be found without reading every
state. ``python -m my_project sync`` and the next run upload what is pending.

The state is uploaded first, which claims the key, and again after everything else; results come
last but for it, so a remote copy that has them has the whole run.
"""

from __future__ import annotations

import os
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from savethat._key import parts_of
from savethat._pending import mark, pending, unmark
from savethat._remote import impatient, upload_folder
from savethat._state import RESULTS, STATE, RunState, decode_state, read_state
from savethat.errors import NotSyncedWarning

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    import expcore
    from savethat._files import Files

PENDING_LIMIT_S = 60
SETTLED_S = 5
"""A file that was written longer ago than this is uploaded while the run goes on."""
AGAIN_S = 240
"""A file that changes is uploaded again after this time: logs, and the state, whose heartbeat must
arrive before another machine holds the run for lost."""


def claim(storage: Files, key: str, state: RunState) -> str:
    """Claim ``key``, or the first free name of ``key-2``, ``key-3``, …, for a run.

    Making a folder succeeds for one process only, and so does writing a new remote key; so no two
    runs share a name. A key made by :func:`~savethat._key.new_key` is claimed remotely later, with
    the first upload: no other machine has it, and a run can start while the network is down.
    """
    number = 1
    while True:
        name = key if number == 1 else f"{key}-{number}"
        number += 1
        folder = storage / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        if not parts_of(name)[2] and not _claim_remotely(storage, name, state):
            folder.rmdir()
            continue
        if state.pending_sync:
            mark(storage, name)
        state.write(folder)
        return name


def _claim_remotely(storage: Files, key: str, state: RunState) -> bool:
    """Whether the key is this run's; yes, for now, where the remote cannot be asked."""
    from expcore import KeyExists

    try:
        if storage.remote is not None:
            impatient(storage.remote).write_new(f"{key}/{STATE}", state.encode())
    except KeyExists:
        return _owner(storage.remote, key) == state.id
    except Exception as error:  # whatever is wrong with the remote, the run goes on
        _warn(key, storage, error)
    return True


def _owner(remote: expcore.Storage | None, key: str) -> str | None:
    """The id of the run that has the key remotely."""
    from expcore import KeyNotFound

    try:
        return None if remote is None else decode_state(remote.read(f"{key}/{STATE}")).id
    except KeyNotFound:
        return None


def announce(storage: Files, key: str) -> None:
    """Upload what there is of a queued run, if the remote can be reached."""
    try:
        if storage.remote is not None:
            upload_folder(storage / key, impatient(storage.remote), key)
    except Exception as error:  # the job will upload it
        _warn(key, storage, error)


class Sync:
    """The uploads of one run."""

    def __init__(self, storage: Files, key: str, state: RunState) -> None:
        self.storage, self.key, self.id = storage, key, state.id
        self._owned = False
        self._sent: dict[str, tuple[tuple[int, int], float]] = {}
        self._warned = False

    def upload_settled(self, over: Event) -> None:
        """Upload files that have not changed for some seconds; a failure is no reason to stop.

        Args:
            over: Set when there is no time left.
        """
        try:
            remote = self.storage.remote
            if remote is None or not self._may_upload(impatient(remote)):
                return
            files = _files(self.storage / self.key)
            for name, seen in sorted(files, key=lambda file: file[0] != STATE):
                if over.is_set():
                    return
                if self._is_due(name, seen):
                    impatient(remote).upload(self.storage / self.key / name, f"{self.key}/{name}")
                    self._sent[name] = seen, time.time()
        except Exception as error:  # tried again at the next heartbeat, and at the end
            if not self._warned:
                self._warned = True
                from loguru import logger

                logger.warning("{} is not uploaded yet: {}", self.key, error)

    def _may_upload(self, remote: expcore.Storage) -> bool:
        """Whether no other run has the key there; if one has, :func:`push` finds another name."""
        self._owned = self._owned or _owner(remote, self.key) in (self.id, None)
        return self._owned

    def _is_due(self, name: str, seen: tuple[int, int]) -> bool:
        now = time.time()
        if name == RESULTS:  # it comes last, when all else is there
            return False
        if name not in self._sent:
            return name == STATE or now - seen[1] / 1e9 > SETTLED_S
        sent, when = self._sent[name]
        return sent != seen and now - when > AGAIN_S

    def finish(self, state: RunState) -> str:
        """Upload the run as it is at its end, and then what earlier runs have left.

        If that fails, they stay pending.

        Returns:
            The run's key, as :func:`push` does.
        """
        if self.storage.config.remote is None:
            return self.key
        try:
            key = push(self.storage, self.key, state)
            if state.state not in ("interrupted", "preempted"):  # then time is short
                push_pending(self.storage, limit_s=PENDING_LIMIT_S)
        except Exception as error:  # whatever it is, the run is kept locally
            _warn(self.key, self.storage, error)
            return self.key
        return key


def push(storage: Files, key: str, state: RunState | None = None) -> str:
    """Upload all of a run, and mark it as synced.

    Returns:
        The key: another one, if another machine has taken the first one meanwhile.

    Raises:
        expcore.ExpcoreError: The remote refused, or could not be reached.
    """
    folder, remote = storage / key, storage.remote
    state = state or read_state(folder)
    if state is None or remote is None:  # a run of a version without states
        storage.upload(key)
        return key
    if _owner(remote, key) not in (state.id, None):
        new = claim(storage, f"{key}-2", state)
        for file in list(folder.iterdir()):
            os.replace(file, storage / new / file.name)  # noqa: PTH105
        folder.rmdir()
        unmark(storage, key)
        return push(storage, new, state)
    remote.write(f"{key}/{STATE}", state.encode())
    upload_folder(folder, remote, key, include=lambda name: name not in (RESULTS, STATE))
    upload_folder(folder, remote, key, include=lambda name: name == RESULTS)
    synced = replace(state, pending_sync=False)
    remote.write(f"{key}/{STATE}", synced.encode())
    synced.write(folder)
    unmark(storage, key)
    return key


def push_pending(storage: Files, *, limit_s: float = float("inf")) -> list[str]:
    """Upload the runs that are pending; the keys under which they are.

    Args:
        storage: Where they are.
        limit_s: After this many seconds no further run is begun.

    Raises:
        expcore.ExpcoreError: The remote refused, or could not be reached.
    """
    start = time.monotonic()
    done: list[str] = []
    for key in pending(storage):
        if time.monotonic() - start > limit_s:
            break
        done.append(push(storage, key))
    return done


def _files(folder: Path, prefix: str = "") -> list[tuple[str, tuple[int, int]]]:
    """Name, size and time (ns) of each file below a folder; no links, nothing half-written."""
    found: list[tuple[str, tuple[int, int]]] = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += _files(folder / entry.name, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(".tmp"):
                with suppress(FileNotFoundError):
                    stat = entry.stat()
                    found.append((prefix + entry.name, (stat.st_size, stat.st_mtime_ns)))
    return sorted(found)


def _warn(key: str, storage: Files, error: BaseException) -> None:
    text = f"{key} is kept in {storage.storage_path}, but not uploaded: {error}"
    warnings.warn(text, NotSyncedWarning, stacklevel=3)
