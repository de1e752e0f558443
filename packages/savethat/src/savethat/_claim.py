"""Whose a key is, here and remotely: no two runs share one, wherever they were started."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from savethat._key import parts_of
from savethat._layout import STATE
from savethat._pending import mark, unmark
from savethat._remote import impatient
from savethat._state import RunState, decode_state
from savethat.errors import NotInStorage, NotSyncedWarning, NotWritable

if TYPE_CHECKING:
    import expcore
    from savethat._files import Files


def claim(storage: Files, key: str, state: RunState) -> str:
    """Claim ``key``, or the first free name of ``key-2``, ``key-3``, …, for a run.

    Making a folder succeeds for one process only, and so does writing a new remote key; so no two
    runs share a name. A key made by :func:`~savethat._key.new_key` is claimed remotely later, with
    the first upload: no other machine has it, and a run can start while the network is down.

    Raises:
        NotInStorage: The key is not below the storage.
        NotWritable: The folder cannot be made.
        expcore.InvalidKey: The remote would not keep a run of that name.
    """
    key = _checked(storage, key)
    number = 1
    while True:
        name = key if number == 1 else f"{key}-{number}"
        number += 1
        folder = storage / name
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            if folder.parent.is_dir():
                continue
            raise NotWritable(folder.parent, "there is a file of that name") from None
        except OSError as error:  # read-only, full, not ours
            raise NotWritable(folder.parent, error.strerror or str(error)) from error
        if not parts_of(name)[2] and not _claim_remotely(storage, name, state):
            folder.rmdir()
            continue
        try:
            if state.pending_sync:
                mark(storage, name)
            state.write(folder)
        except OSError as error:
            unmark(storage, name)
            folder.rmdir()
            raise NotWritable(folder.parent, error.strerror or str(error)) from error
        return name


def _checked(storage: Files, key: str) -> str:
    """The key, which may be written as a path."""
    name = storage.key_of(key)
    if not name:
        raise NotInStorage(key, storage.storage_path)
    if storage.config.remote is not None:
        from expcore.backend import check_key

        check_key(name)
    return name


def _claim_remotely(storage: Files, key: str, state: RunState) -> bool:
    """Whether the key is this run's; yes, for now, where the remote cannot be asked."""
    try:
        if storage.remote is not None:
            return is_owned(impatient(storage.remote), key, state)
    except Exception as error:  # whatever is wrong with the remote, the run goes on
        warn_unsynced(key, storage, error)
    return True


def is_owned(remote: expcore.Storage, key: str, state: RunState) -> bool:
    """Whether no other run has the key remotely; a key that another may have is claimed."""
    from expcore import KeyExists

    owner = _owner(remote, key)
    if owner is None and not parts_of(key)[2]:
        try:
            remote.write_new(f"{key}/{STATE}", state.encode())
        except KeyExists:
            owner = _owner(remote, key)
    return owner in (state.id, None)


def _owner(remote: expcore.Storage | None, key: str) -> str | None:
    """The id of the run that has the key remotely."""
    from expcore import KeyNotFound

    try:
        return None if remote is None else decode_state(remote.read(f"{key}/{STATE}")).id
    except KeyNotFound:
        return None


def warn_unsynced(key: str, storage: Files, error: BaseException) -> None:
    """Warn that a run is kept here only."""
    text = f"{key} is kept in {storage.storage_path}, but not uploaded: {error}"
    warnings.warn(text, NotSyncedWarning, stacklevel=3)
