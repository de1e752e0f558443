"""The remote copy of a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import expcore
    from savethat._config import Config


def open_remote(config: Config) -> expcore.Storage | None:
    """Open the remote storage; None where runs are kept locally only."""
    if config.remote is None:
        return None
    from expcore import open_storage

    return open_storage(config.remote)


def upload_folder(folder: Path, remote: expcore.Storage, prefix: str) -> None:
    """Upload a folder; what is there with the same contents stays as it is."""
    from expcore import sync_up

    sync_up(folder, remote, prefix)


def download_folder(remote: expcore.Storage, prefix: str, folder: Path) -> bool:
    """Download what is stored below a prefix; whether there was anything."""
    if next(iter(remote.list(f"{prefix}/")), None) is None:
        return False
    from expcore import sync_down

    sync_down(remote, prefix, folder)
    return True


def remove_folder(remote: expcore.Storage, prefix: str) -> None:
    """Remove a key, and everything below it."""
    keys = [entry.key for entry in remote.list(f"{prefix}/")]
    for key in [*keys, prefix]:
        remote.delete(key)
