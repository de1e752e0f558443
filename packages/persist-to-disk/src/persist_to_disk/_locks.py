"""Locks between processes and threads, which a dead owner's kernel takes back.

On Linux, one file ``.lock`` for each folder serves all its locks: each is one byte of it, far
beyond its end (:mod:`persist_to_disk._byte_locks`). Elsewhere (Windows, macOS, some network
file systems) each lock is a file of its own in the folder ``.locks``, held by ``filelock``.
"""

from __future__ import annotations

import os
import struct
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from persist_to_disk._guard import PRIVATE_FILE, SHARED_FILE, make_folder

if sys.platform == "linux":
    from persist_to_disk._byte_locks import ALL, ByteLock

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FILE = ".lock"
FOLDER = ".locks"

# Bytes of the lock file.  A bucket's number is its own offset.
WHOLE_FUNCTION = 1 << 39
KEYS = 1 << 40

_IS_64_BIT = struct.calcsize("P") == 8  # noqa: PLR2004


class Lock(Protocol):
    """A lock that is held by one thread of one process at a time.

    To release it where it is not held does nothing. So it is acquired *within* the ``try`` whose
    ``finally`` releases it: an interrupt (Ctrl-C) just after it is held leaves it to nobody.
    """

    def acquire(self) -> None:
        """Wait for it."""
        ...

    def try_acquire(self) -> bool:
        """Take it if nobody has it."""
        ...

    def release(self) -> None:
        """Give it back, if it is held."""
        ...


class BothLocks:
    """Two locks as one; whoever takes both takes them in this order."""

    def __init__(self, first: Lock, second: Lock) -> None:
        self._first, self._second = first, second

    def acquire(self) -> None:
        """Wait for both."""
        self._first.acquire()
        self._second.acquire()

    def try_acquire(self) -> bool:
        """Take both if nobody has either."""
        taken = self._first.try_acquire() and self._second.try_acquire()
        if not taken:
            self.release()
        return taken

    def release(self) -> None:
        """Give both back, as far as they are held."""
        try:
            self._second.release()
        finally:
            self._first.release()


class LockFolder:
    """The locks that belong to a folder.

    Args:
        folder: Created when a lock is first taken.
        trust: Let others take them too, as far as the umask says.
    """

    def __init__(self, folder: Path, *, trust: bool = False) -> None:
        self.folder, self.trust = folder, trust
        self.path = str(folder / FILE)

    def lock(self, offset: int) -> Lock:
        """Return a lock, not held yet.

        Args:
            offset: Which one; see the constants of this module.
        """
        if sys.platform == "linux" and _IS_64_BIT:
            return ByteLock(self.path, offset, self.named_lock, private=not self.trust)
        return self.named_lock(offset)

    def named_lock(self, offset: int) -> _NamedLock:
        """Return a lock that is a file of its own, not held yet."""
        return _NamedLock(self.folder / FOLDER / f"{offset:x}", trust=self.trust)


def key_offset(key: bytes) -> int:
    """Return the offset of the lock for computing the result of a key."""
    return KEYS + int.from_bytes(key[:7], "little")


@contextmanager
def whole_file_lock(path: Path) -> Generator[None]:
    """Hold a lock that is a file of its own."""
    from filelock import FileLock

    with FileLock(path, mode=PRIVATE_FILE, thread_local=False):
        yield


def is_free(path: Path, *, remove: bool) -> bool:
    """Say whether nobody holds a lock of a lock file, which may then be removed at once.

    Raises:
        OSError: It cannot be opened.
    """
    lock: Lock
    if path.name != FILE:
        lock = _NamedLock(path)
    elif sys.platform == "linux" and _IS_64_BIT:
        folder = LockFolder(path.parent)
        lock = ByteLock(folder.path, ALL, folder.named_lock, private=True)
    else:
        return False  # of another system, which may use it
    try:
        if not lock.try_acquire():
            return False
        if remove and os.name != "nt":
            path.unlink(missing_ok=True)
    finally:
        lock.release()
    if remove and os.name == "nt":  # no file is removed there while it is open
        with suppress(PermissionError):  # somebody took the lock meanwhile
            path.unlink(missing_ok=True)
    return True


class _NamedLock:
    """A file, like those of ``folder/.locks``."""

    def __init__(self, path: Path, *, trust: bool = False) -> None:
        from filelock import FileLock

        self._folder, self._trust = path.parent, trust
        mode = SHARED_FILE if trust else PRIVATE_FILE
        self._lock = FileLock(path, mode=mode, thread_local=False)

    def acquire(self) -> None:
        make_folder(self._folder, trust=self._trust)
        self._lock.acquire()

    def try_acquire(self) -> bool:
        from filelock import Timeout

        make_folder(self._folder, trust=self._trust)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        self._lock.release()
