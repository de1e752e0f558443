"""What is on the two sides of a synchronization: a folder and a prefix."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from expcore._digest import digest_file
from expcore._keys import TEMPORARY, check_key, check_prefix
from expcore._local import LocalStorage
from expcore._storage import Stat
from expcore.errors import InvalidKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from expcore._digest_cache import DigestCache
    from expcore._storage import Storage


def files_of(folder: Path, include: Callable[[str], bool] | None) -> dict[str, Path]:
    """Return the files below a folder by their keys; neither links nor what is being written.

    Raises:
        InvalidKey: The name of a file that takes part cannot be a key.
    """
    files: dict[str, Path] = {}
    for name, path in sorted(_scan(folder)):
        # Some systems store names decomposed; keys are composed.
        key = unicodedata.normalize("NFC", name)
        if include is None or include(key):
            if check_key(key) in files:
                raise InvalidKey(key, "two files have this name; they differ in Unicode's forms")
            files[key] = path
    return files


def _scan(folder: Path, parent: str = "") -> Iterator[tuple[str, Path]]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _scan(Path(entry.path), f"{parent}{entry.name}/")
            elif entry.is_file(follow_symlinks=False) and not TEMPORARY.fullmatch(entry.name):
                yield f"{parent}{entry.name}", Path(entry.path)


def keys_of(
    storage: Storage, prefix: str, include: Callable[[str], bool] | None
) -> dict[str, Stat]:
    """Return what is stored below a prefix, by the keys without it.

    Raises:
        InvalidKey: The storage lists a name that cannot be a key.
    """
    start = as_folder(prefix)
    found = {
        check_key(stat.key.removeprefix(start)): stat
        for stat in storage.list(start)
        if isinstance(stat, Stat)
    }
    return {key: stat for key, stat in found.items() if include is None or include(key)}


def as_folder(prefix: str) -> str:
    """Return a prefix with one slash at its end; an empty one as it is."""
    prefix = prefix.removesuffix("/")
    return check_prefix(f"{prefix}/") if prefix else ""


def is_same(path: Path, stat: Stat, storage: Storage, digests: DigestCache, *, up: bool) -> bool:
    """Say whether a file is what is stored, by size and digest.

    Args:
        path: The file.
        stat: What is stored.
        storage: Where. If it knows no digest, the times decide.
        digests: Remembers those of files.
        up: Whether the file would replace what is stored, or be replaced by it.
    """
    local = path.stat()
    if local.st_size != stat.size:
        return False
    remote_digest = stat.digest
    if remote_digest is None and isinstance(storage, LocalStorage):
        remote_digest = digest_file(storage.path(stat.key))
    if remote_digest is not None:
        return digests.digest(path, remote_digest.partition(":")[0]) == remote_digest
    source, target = (local.st_mtime, stat.mtime) if up else (stat.mtime, local.st_mtime)
    return source <= target
