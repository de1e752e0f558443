"""Temporary files beside their targets; their writers hold a lock for as long as they live."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path, PurePath
from typing import BinaryIO, TypeVar

from expcore._keys import TEMPORARY
from expcore._locks import try_lock

MAX_NAME_BYTES = 255
SUFFIX_CHARS = len(".0123456789abcdef.tmp")
CLOSED_S = 60
"""Longer than a file is closed before it has its name, see :func:`sweep`."""
P = TypeVar("P", bound=PurePath)


def create_beside(target: Path) -> tuple[BinaryIO, Path]:
    """Create a temporary file whose name is ours and whose lock we hold."""
    while True:
        temporary = beside(target, os.urandom(8).hex())
        try:
            file = temporary.open("x+b")
        except FileExistsError:
            continue
        except FileNotFoundError:  # it is the folder, and the name is nobody's but ours
            text = os.strerror(errno.ENOENT)
            raise FileNotFoundError(errno.ENOENT, text, str(target)) from None
        # A sweeper may have come between creation and lock: then this name is gone.
        if try_lock(file.fileno()) is not False and _is_linked(file.fileno(), temporary):
            return file, temporary
        file.close()
        with suppress(FileNotFoundError):
            temporary.unlink()


def beside(target: P, mark: str) -> P:
    """Return the name of a temporary file; 16 hexadecimal digits tell it from others."""
    suffix = f".{mark}.tmp"
    name = target.name
    while len(os.fsencode(name)) > MAX_NAME_BYTES - 1 - len(suffix):
        name = name[:-1]
    return target.with_name(f".{name}{suffix}")


def target_of(name: str) -> str | None:
    """Return the path that a temporary one stands for, or its start; None for any other."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last[1:-SUFFIX_CHARS]}" if TEMPORARY.fullmatch(last) else None


def is_ours(descriptor: int, path: Path) -> bool:
    """Lock an open file; say whether that went well and it still has its name."""
    return try_lock(descriptor) is True and _is_linked(descriptor, path)


def _is_linked(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove_if_abandoned(path: Path) -> bool:
    if os.name == "nt":
        # There no file is removed while it is open; but its writer closes it to rename it.
        try:
            if time.time() - path.stat().st_mtime < CLOSED_S:
                return False
            path.unlink()
        except OSError:
            return False
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not is_ours(descriptor, path):
            return False
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def sweep(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove what killed writers left in a folder (not below it).

    A live writer holds a lock on its file, and its file stays. Where the file system has no
    locks, or the folder cannot be listed, nothing is removed; on Windows, what nobody has open
    and is a minute old.

    Returns:
        The files that were removed.
    """
    removed: list[Path] = []
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, PermissionError):
        return removed
    for entry in entries:
        if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
            path = Path(entry.path)
            if _remove_if_abandoned(path):
                removed.append(path)
    return removed
