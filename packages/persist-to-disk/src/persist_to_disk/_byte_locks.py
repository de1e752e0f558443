"""Locks on single bytes of one file, by Linux's *open file description* locks.

Such a lock belongs to the open file, not to the process: two threads that opened the file each
exclude each other like two processes, and closing another handle of the file frees nothing. The
kernel frees the lock when its last holder is gone.

Open files are kept for the next lock. A forked process must not use them: it would share the
description, and with it the locks, of its parent.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from struct import Struct

from persist_to_disk._guard import make_folder

# struct flock of 64-bit Linux: type, whence, start, length, pid
_FLOCK = Struct("@hhqqi4x")
_UNSUPPORTED = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_TAKEN = {errno.EAGAIN, errno.EACCES}
MOST_OPEN = 32
KEYS = 1 << 40
"""From here on, a byte's number is that of a key; before, that of a bucket."""

_Slot = tuple[str, bool]
_open_files: dict[_Slot, int] = {}
"""Descriptors of files that nobody holds a lock of, by name and purpose.

Threads share them by `pop` and `setdefault`, which are atomic.
"""
os.register_at_fork(after_in_child=_open_files.clear)


class UnsupportedError(Exception):
    """The file system has no such locks."""


class ByteLock:
    """A byte of a file, which need not exist yet.

    Args:
        path: The file.
        offset: Which byte; it may be far beyond the end.
        private: Create the file, and its folder, for the owner alone.
    """

    def __init__(self, path: str, offset: int, *, private: bool) -> None:
        self._path, self._offset, self._private = path, offset, private
        self._slot: _Slot = (path, offset < KEYS)
        self._descriptor = -1

    def take(self, *, wait: bool) -> bool:
        """Take the lock; without ``wait``, only if nobody has it.

        Raises:
            UnsupportedError: The file system has no such locks.
            OSError: The file cannot be opened.
        """
        descriptor = self._open()
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        try:
            fcntl.fcntl(descriptor, command, self._request(fcntl.F_WRLCK))
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                return False
            if error.errno in _UNSUPPORTED:
                raise UnsupportedError from error
            raise
        except BaseException:  # an interrupt while waiting
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back."""
        # A process forked meanwhile shares the description: closing it would not unlock.
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, self._request(fcntl.F_UNLCK))
        surplus = self._descriptor
        if _open_files.setdefault(self._slot, surplus) == surplus:
            surplus = _open_files.popitem()[1] if len(_open_files) > MOST_OPEN else -1
        if surplus >= 0:
            os.close(surplus)

    def _open(self) -> int:
        descriptor = _open_files.pop(self._slot, -1)
        if descriptor >= 0:
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # the file was removed meanwhile
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        mode = 0o600 if self._private else 0o666
        try:
            return os.open(self._path, flags, mode)
        except FileNotFoundError:
            make_folder(Path(self._path).parent, trust=not self._private)
            return os.open(self._path, flags, mode)

    def _request(self, kind: int) -> bytes:
        return _FLOCK.pack(kind, os.SEEK_SET, self._offset, 1, 0)
