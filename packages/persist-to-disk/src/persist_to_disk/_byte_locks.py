"""Locks on single bytes of one file, by Linux's *open file description* locks.

Such a lock belongs to the open file, not to the process: two threads that opened the file each
exclude each other like two processes, and closing another handle of the file frees nothing. The
kernel frees the lock when its last holder is gone.

Open files are kept for the next lock. A forked process closes them all: it would share the
description, and with it the locks, of its parent, and keep them when the parent is killed.

Whoever has the lock of a whole file may remove it: those who then get a lock of the removed file
notice, and open the new one.
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
_held: set[ByteLock] = set()
"""Locks that somebody holds or waits for."""


def _close_all() -> None:
    for descriptor in (*_open_files.values(), *(lock.give_up() for lock in _held)):
        os.close(descriptor)
    _open_files.clear()
    _held.clear()


os.register_at_fork(after_in_child=_close_all)


class UnsupportedError(Exception):
    """The file system has no such locks."""


class ByteLock:
    """A byte of a file, which need not exist yet.

    Args:
        path: The file.
        offset: Which byte; it may be far beyond the end.
        private: Create the file, and its folder, for the owner alone.
        length: How many bytes from there; 0 for all.
    """

    def __init__(self, path: str, offset: int, *, private: bool, length: int = 1) -> None:
        self._path, self._private = path, private
        self._offset, self._length = offset, length
        self._slot: _Slot = (path, offset < KEYS)
        self._descriptor = -1

    def take(self, *, wait: bool) -> bool:
        """Take the lock; without ``wait``, only if nobody has it.

        Raises:
            UnsupportedError: The file system has no such locks.
            OSError: The file cannot be opened.
        """
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        while True:
            self._descriptor = self._open()
            _held.add(self)
            try:
                fcntl.fcntl(self._descriptor, command, self._request(fcntl.F_WRLCK))
                if os.fstat(self._descriptor).st_nlink:
                    return True
            except OSError as error:
                self._close()
                if error.errno in _TAKEN:
                    return False
                if error.errno in _UNSUPPORTED:
                    raise UnsupportedError from error
                raise
            except BaseException:  # an interrupt while waiting
                self._close()
                raise
            self._close()  # the file was removed meanwhile

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor < 0:  # this process was forked while its parent held the lock
            return
        # A process forked just now may share the description: closing it would not unlock.
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, self._request(fcntl.F_UNLCK))
        _held.discard(self)
        surplus = self.give_up()
        if _open_files.setdefault(self._slot, surplus) == surplus:
            surplus = _open_files.popitem()[1] if len(_open_files) > MOST_OPEN else -1
        if surplus >= 0:
            os.close(surplus)

    def give_up(self) -> int:
        """Return the descriptor, which is the caller's now."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def _close(self) -> None:
        _held.discard(self)
        os.close(self.give_up())

    def _open(self) -> int:
        descriptor = _open_files.pop(self._slot, -1)
        if descriptor >= 0:
            return descriptor
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        mode = 0o600 if self._private else 0o666
        try:
            return os.open(self._path, flags, mode)
        except FileNotFoundError:
            make_folder(Path(self._path).parent, trust=not self._private)
            return os.open(self._path, flags, mode)

    def _request(self, kind: int) -> bytes:
        return _FLOCK.pack(kind, os.SEEK_SET, self._offset, self._length, 0)
