"""A run and its remote copy: upload beside the run, and to the end.

A run that the remote does not have all of is *pending*: its state says so, and an empty file named
by its key in ``.savethat/pending`` of the local storage lets it be found without reading every
state. ``python -m my_project sync`` and the next run upload what is pending.

The state is uploaded first, which claims the key, and again after everything else; results come
last but for it, so a remote copy that has them has the whole run.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from savethat._claim import claim, is_owned, warn_unsynced
from savethat._layout import RESULTS, STATE
from savethat._pending import pending, unmark
from savethat._remote import impatient, upload_folder
from savethat._state import read_state
from savethat.errors import NotSynced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Event

    import expcore
    from savethat._files import Files
    from savethat._state import RunState

PENDING_LIMIT_S = 60
SETTLED_S = 5
"""A file that was written longer ago than this is uploaded while the run goes on."""
AGAIN_S = 240
"""A file that changes is uploaded again after this time: logs, and the state, whose heartbeat must
arrive before another machine holds the run for lost."""


def announce(storage: Files, key: str) -> None:
    """Upload what there is of a queued run, if the remote can be reached."""
    try:
        if storage.remote is not None:
            upload_folder(storage / key, impatient(storage.remote), key)
    except Exception as error:  # the job will upload it
        warn_unsynced(key, storage, error)


class Sync:
    """The uploads of one run."""

    def __init__(self, storage: Files, key: str, state: RunState) -> None:
        self.storage, self.key, self.state = storage, key, state
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
        self._owned = self._owned or is_owned(remote, self.key, self.state)
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
        except Exception as error:  # whatever it is, the run is kept locally
            warn_unsynced(self.key, self.storage, error)
            return self.key
        if state.state not in ("interrupted", "preempted"):  # then time is short
            try:
                list(push_pending(self.storage, limit_s=PENDING_LIMIT_S))
            except Exception as error:
                warn_unsynced("an earlier run", self.storage, error)
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
    if not is_owned(remote, key, state):
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
    _prune(remote, key)
    return key


def _prune(remote: expcore.Storage, key: str) -> None:
    """Leave one version of each file, whatever was uploaded twice; older ones do no harm."""
    from expcore import ExpcoreError

    with suppress(ExpcoreError):  # the key may be allowed to write only
        impatient(remote).prune(f"{key}/")


def push_pending(storage: Files, *, limit_s: float = float("inf")) -> Iterator[str]:
    """Upload the runs that are pending, and yield the keys under which they are.

    One that cannot be uploaded holds up no other.

    Args:
        storage: Where they are.
        limit_s: After this many seconds no further run is begun.

    Raises:
        expcore.StorageUnavailable: The remote could not be reached, so no other is tried.
        expcore.AccessDenied: The remote refused us, likewise.
        NotSynced: Some could not be uploaded.
    """
    from expcore import AccessDenied, StorageUnavailable

    start = time.monotonic()
    failed: dict[str, str] = {}
    for key in pending(storage):
        if time.monotonic() - start > limit_s:
            break
        try:
            yield push(storage, key)
        except (StorageUnavailable, AccessDenied):
            raise
        except Exception as error:  # a broken file, a name that no storage keeps, ...
            failed[key] = f"{type(error).__name__}: {error}"
    if failed:
        raise NotSynced(failed)


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
