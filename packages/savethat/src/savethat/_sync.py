"""A run and its remote copy: upload it to the end, at once or later.

A run that the remote does not have all of is *pending*: its state says so, and an empty file named
by its key in ``.savethat/pending`` of the local storage lets it be found without reading every
state. ``python -m my_project sync`` and the next run upload what is pending.

The state is uploaded first, which claims the key, and again after everything else; results come
last but for it, so a remote copy that has them has the whole run. For as long as that takes, the
state of a run that is over is renewed: its rest is *arriving*.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from savethat._background import Heart
from savethat._claim import claim, is_owned, warn_unsynced
from savethat._layout import RESULTS, STATE
from savethat._pending import pending, unmark, uploading
from savethat._remote import impatient, upload_folder
from savethat._removal import sweep_below
from savethat._state import read_state
from savethat.errors import NotSynced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import expcore
    from savethat._files import Files
    from savethat._state import RunState


def announce(storage: Files, key: str) -> None:
    """Upload what there is of a queued run, if the remote can be reached."""
    try:
        if storage.remote is not None:
            upload_folder(storage / key, impatient(storage.remote), key)
    except Exception as error:  # the job will upload it
        warn_unsynced(key, storage, error)


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
    with uploading(storage, key):
        if not is_owned(remote, key, state):
            new = claim(storage, f"{key}-2", state)
            for file in list(folder.iterdir()):
                os.replace(file, storage / new / file.name)  # noqa: PTH105
            folder.rmdir()
            unmark(storage, key)
            return push(storage, new, state)
        synced = _push_all(folder, remote, key, state)
    synced.write(folder)
    unmark(storage, key)
    _prune(remote, key)
    return key


def _push_all(folder: Path, remote: expcore.Storage, key: str, state: RunState) -> RunState:
    """Upload all of a run; its state, now that all has arrived."""
    sweep_below(folder)
    state = state.beat() if state.ended else state
    remote.write(f"{key}/{STATE}", state.encode())

    def tell(state: RunState) -> None:
        with suppress(Exception):  # if it is not the next beat that arrives, nothing does
            impatient(remote).write(f"{key}/{STATE}", state.encode())

    # Whoever was killed in the middle of a run has no heart that could beat.
    with Heart(folder, state, tell) if state.ended else nullcontext():
        upload_folder(folder, remote, key, include=lambda name: name not in (RESULTS, STATE))
        upload_folder(folder, remote, key, include=lambda name: name == RESULTS)
    synced = replace(state, pending_sync=False)
    remote.write(f"{key}/{STATE}", synced.encode())
    return synced


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
