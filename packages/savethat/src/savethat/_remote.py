"""The remote copy of a storage."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from savethat.errors import NotSyncedWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import expcore
    from savethat._config import Config


SHOWN = 5
"""At most so many files are named."""


def open_remote(config: Config) -> expcore.Storage | None:
    """Open the remote storage; None where runs are kept locally only."""
    if config.remote is None:
        return None
    if not config.remote.startswith("b2:"):
        from expcore import open_storage

        return open_storage(config.remote)
    from expcore import B2Storage, RetryingStorage

    parts = urlsplit(config.remote)
    key_id, key, realm = (
        text or None for text in (config.b2_key_id, config.b2_key, config.b2_realm)
    )
    return RetryingStorage(
        B2Storage(parts.netloc, parts.path, key_id=key_id, key=key, realm=realm)
    )


def impatient(remote: expcore.Storage) -> expcore.Storage:
    """The same storage, that gives up within seconds: for what is tried again later anyway."""
    from expcore import Retry, RetryingStorage

    if not isinstance(remote, RetryingStorage):
        return remote
    return RetryingStorage(remote.inner, Retry(attempts=3, deadline_s=10))


def upload_folder(
    folder: Path,
    remote: expcore.Storage,
    prefix: str,
    include: Callable[[str], bool] = lambda _: True,
) -> None:
    """Upload a folder; what is there with the same contents stays as it is.

    A file whose name no storage would keep is warned about, and stays local. So do links.

    Args:
        folder: The folder.
        remote: Where to.
        prefix: The folder's key.
        include: Whether a file takes part, by its path in the folder.
    """
    from expcore import InvalidKey, sync_up
    from savethat._found import files_below, is_regular

    names = set(filter(include, files_below(str(folder))))
    others = {name for name in names if not is_regular(folder / name)}
    if links := sorted(name for name in others if os.path.lexists(folder / name)):
        told = ", ".join(map(repr, links[:SHOWN])) + ", …" * (len(links) > SHOWN)
        text = f"links, pipes and the like of {prefix} are not uploaded: {told}"
        warnings.warn(text, NotSyncedWarning, stacklevel=3)
    try:
        sync_up(folder, remote, prefix, include=include)
    except InvalidKey:  # and nothing was sent
        for name in sorted(names - others):
            try:
                remote.upload(folder / name, f"{prefix}/{name}")
            except InvalidKey as error:
                text = f"{name!r} of {prefix} is not uploaded: {error.reason}"
                warnings.warn(text, NotSyncedWarning, stacklevel=3)


def download_folder(remote: expcore.Storage, prefix: str, folder: Path, incoming: Path) -> bool:
    """Download what is stored below a prefix; whether there was anything.

    A folder that is not there yet is put in place as a whole, for part of a run would be taken
    for the run. A download that was cut short goes on where it was. Of several processes that
    want the folder, as the jobs of a sweep may, one downloads it.

    Args:
        remote: Where from.
        prefix: The folder's key.
        folder: Where to.
        incoming: The folder for what has not arrived yet, on the same file system.
    """
    if next(iter(remote.list(f"{prefix}/")), None) is None:
        return False
    from expcore import sync_down

    if not folder.exists():
        part = incoming / prefix.replace("/", "%2F")
        incoming.mkdir(parents=True, exist_ok=True)
        with _locked(part.with_name(f".{part.name}.lock")):
            if not folder.exists():  # still
                part.mkdir(exist_ok=True)
                sync_down(remote, prefix, part, delete=True)
                folder.parent.mkdir(parents=True, exist_ok=True)
                part.rename(folder)
                return True
    sync_down(remote, prefix, folder)
    return True


@contextmanager
def _locked(file: Path) -> Generator[None]:
    """Let one process at a time do what is in the block, where the file system can tell."""
    from filelock import FileLock

    with ExitStack() as stack:
        with suppress(OSError, NotImplementedError):  # it knows no locks
            stack.enter_context(FileLock(file))
        yield
        # Whoever waits for this file, or makes another, finds that all is done.
        with suppress(OSError):  # Windows keeps it while it is open
            file.unlink()
