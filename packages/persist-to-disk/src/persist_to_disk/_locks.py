"""Locks between processes and threads, which a dead owner's kernel takes back.

One file ``.lock`` for each folder serves all its locks: each is one byte of it, far beyond its
end. They are *open file description* locks where the system has them (Linux): two threads
exclude each other like two processes, and nobody loses a lock because someone closed another
handle of the file. Elsewhere (Windows, macOS, some network file systems) each lock is a file
of its own in the folder ``.locks``, held by ``filelock``.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from persist_to_disk._guard import PRIVATE_FILE, SHARED_FILE, make_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FILE = ".lock"
FOLDER = ".locks"

# Bytes of the lock file.  A bucket's number is its own offset.
WHOLE_FUNCTION = 1 << 39
KEYS = 1 << 40

# struct flock of 64-bit Linux: type, whence, start, length, pid
_FLOCK = struct.Struct("@hhqqi4x")
_UNSUPPORTED = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class Lock(Protocol):
    """A lock that is held by one thread of one process at a time."""

    def acquire(self) -> None:
        """Wait for it."""
        ...

    def try_acquire(self) -> bool:
        """Take it if nobody has it."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


def byte_lock(folder: Path, offset: int, *, trust: bool = False) -> Lock:
    """Return a lock on one byte of a folder's lock file, not held yet.

    Args:
        folder: Created when the lock is first taken.
        offset: Which lock; see the constants of this module.
        trust: Let others take it too, as far as the umask says.
    """
    mode = SHARED_FILE if trust else PRIVATE_FILE
    if sys.platform == "linux" and struct.calcsize("P") == 8:  # noqa: PLR2004 -- 64 bits
        return _ByteLock(folder, offset, mode)
    return _NamedLock(folder, offset, mode)


def key_offset(key: bytes) -> int:
    """Return the offset of the lock for computing the result of a key."""
    return KEYS + int.from_bytes(key[:7], "little")


@contextmanager
def whole_file_lock(path: Path) -> Generator[None]:
    """Hold a lock that is a file of its own."""
    from filelock import FileLock

    with FileLock(path, mode=PRIVATE_FILE, thread_local=False):
        yield


class _ByteLock:
    """A byte of ``folder/.lock``."""

    def __init__(self, folder: Path, offset: int, mode: int) -> None:
        self._folder, self._offset, self._mode = folder, offset, mode
        self._descriptor = -1
        self._instead: _NamedLock | None = None

    def acquire(self) -> None:
        self._take(wait=True)

    def try_acquire(self) -> bool:
        return self._take(wait=False)

    def _take(self, *, wait: bool) -> bool:
        import fcntl

        if self._instead is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            try:
                descriptor = os.open(self._folder / FILE, flags, self._mode)
            except FileNotFoundError:
                make_folder(self._folder, trust=self._mode == SHARED_FILE)
                descriptor = os.open(self._folder / FILE, flags, self._mode)
            command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
            try:
                fcntl.fcntl(descriptor, command, self._request(fcntl.F_WRLCK))
            except BaseException as error:
                os.close(descriptor)
                if not isinstance(error, OSError):
                    raise
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    return False
                if error.errno not in _UNSUPPORTED:
                    raise
                self._instead = _NamedLock(self._folder, self._offset, self._mode)
            else:
                self._descriptor = descriptor
                return True
        if wait:
            self._instead.acquire()
            return True
        return self._instead.try_acquire()

    def release(self) -> None:
        import fcntl

        if self._instead is not None:
            self._instead.release()
            return
        # A process forked meanwhile shares the description: closing it would not unlock.
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, self._request(fcntl.F_UNLCK))
        os.close(self._descriptor)
        self._descriptor = -1

    def _request(self, kind: int) -> bytes:
        return _FLOCK.pack(kind, os.SEEK_SET, self._offset, 1, 0)


class _NamedLock:
    """A file of ``folder/.locks``."""

    def __init__(self, folder: Path, offset: int, mode: int) -> None:
        from filelock import FileLock

        self._folder, self._trust = folder / FOLDER, mode == SHARED_FILE
        self._lock = FileLock(self._folder / f"{offset:x}", mode=mode, thread_local=False)

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
