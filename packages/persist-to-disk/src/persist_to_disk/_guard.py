"""Folders that only their owner may write to.

A cached result is a pickle, and reading a pickle can run code: whoever can write to the files
can run code as the one who reads them. So folders are created with mode 0700 and files with
0600, and what others may write to is refused unless the user said ``trust=True``.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from persist_to_disk.errors import UnsafePathError

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
SHARED_FOLDER = 0o777  # less the umask
SHARED_FILE = 0o666


def make_folder(path: Path, *, trust: bool = False) -> None:
    """Create a folder and those above it, for the owner alone (unless ``trust``).

    Raises:
        OSError: It cannot be created.
    """
    missing: list[Path] = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(SHARED_FOLDER if trust else PRIVATE_FOLDER, exist_ok=True)


def check_folders(root: Path, folder: Path) -> None:
    """Refuse a folder if others may write to it or to one between it and ``root``.

    Args:
        root: The outermost folder to look at.
        folder: ``root`` or a folder below it; what does not exist is not refused.

    Raises:
        UnsafePathError: Others may write there.
    """
    for path in [root, *(root / part for part in _parts_below(root, folder))]:
        try:
            found = path.stat()
        except FileNotFoundError:
            return
        # In a folder like /tmp nobody can replace what is another's, and that is looked at next.
        if path != root or not found.st_mode & stat.S_ISVTX:
            check_owner(path, found)


def check_owner(path: Path | str, found: os.stat_result) -> None:
    """Refuse a file or folder that others may write to.

    Args:
        path: Named in the error.
        found: Its status.

    Raises:
        UnsafePathError: Its mode lets the group or everyone write, or it is someone else's.
    """
    if os.name == "nt":  # modes say nothing there, and a profile's folders are private
        return
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        who = "everyone" if found.st_mode & stat.S_IWOTH else f"group {found.st_gid}"
        reason, remedy = f"can be written by {who}", f"run `chmod go-w {shlex.quote(str(path))}`"
    elif found.st_uid not in (os.getuid(), 0):
        reason, remedy = f"belongs to another user (uid {found.st_uid})", "make it your own"
    else:
        return
    raise UnsafePathError(Path(path), stat.S_IMODE(found.st_mode), reason, remedy)


def _parts_below(root: Path, folder: Path) -> list[Path]:
    below = folder.relative_to(root)
    return [*reversed(below.parents[:-1]), below] if below.parts else []
