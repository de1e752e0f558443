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
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

from persist_to_disk._guard import make_folder
from persist_to_disk._open_files import open_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from persist_to_disk._locks import Lock

# struct flock of 64-bit Linux: type, whence, start, length, pid
_FLOCK = Struct("@hhqqi4x")
_UNSUPPORTED = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_TAKEN = {errno.EAGAIN, errno.EACCES}
MOST_OPEN = 32
KEYS = 1 << 40
"""From here on, a byte's number is that of a key; before, that of a bucket."""

_File = tuple[int, int]
"""A descriptor and its inode: a daemon closes all, and their numbers come to mean others."""

_open_files: dict[tuple[str, bool], _File] = {}
"""Files that nobody holds a lock of, by name and whether for a bucket or a key.

Threads share them by `pop` and `setdefault`, which are atomic.
"""
_NONE = (-1, 0)
_held: set[ByteLock] = set()
"""Locks that somebody holds or waits for."""


def _close_all() -> None:
    for file in (*_open_files.values(), *(lock.give_up() for lock in _held)):
        _close(file)
    _open_files.clear()
    _held.clear()


def _close(file: _File) -> None:
    if _links(file) is not None:
        os.close(file[0])


def _links(file: _File) -> int | None:
    """Return by how many names a file is known; None if the descriptor is not its any more."""
    try:
        status = os.fstat(file[0])
    except OSError:
        return None
    return status.st_nlink if status.st_ino == file[1] else None


os.register_at_fork(after_in_child=_close_all)


class ByteLock:
    """A byte of a file, which need not exist yet.

    Args:
        path: The file.
        offset: Which byte; it may be far beyond the end.
        instead: Returns the lock for an offset where the file system has none for bytes.
        private: Create the file, and its folder, for the owner alone.
        length: How many bytes from there; 0 for all.
    """

    __slots__ = ("_file", "_instead", "_length", "_offset", "_other", "_path", "_private")

    def __init__(
        self,
        path: str,
        offset: int,
        instead: Callable[[int], Lock],
        *,
        private: bool,
        length: int = 1,
    ) -> None:
        self._path, self._private, self._instead = path, private, instead
        self._offset, self._length = offset, length
        self._other: Lock | None = None
        self._file = _NONE

    def acquire(self) -> None:
        """Wait for it.

        Raises:
            OSError: The file cannot be opened.
        """
        self._take(wait=True)

    def try_acquire(self) -> bool:
        """Take it if nobody has it.

        Raises:
            OSError: The file cannot be opened.
        """
        return self._take(wait=False)

    def release(self) -> None:
        """Give it back."""
        file = self._file
        if file is _NONE:
            if self._other is not None:
                self._other.release()
            return  # or this process was forked while its parent held the lock
        # A process forked just now may share the description: closing it would not unlock.
        request = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, self._offset, self._length, 0)
        with suppress(OSError):  # it was closed by others, which frees the lock
            fcntl.fcntl(file[0], fcntl.F_OFD_SETLK, request)
        _held.discard(self)
        self._file = _NONE
        if _open_files.setdefault((self._path, self._offset < KEYS), file) is not file:
            _close(file)
        elif len(_open_files) > MOST_OPEN:
            _close(_open_files.popitem()[1])

    def give_up(self) -> _File:
        """Return the open file, which is the caller's now."""
        file, self._file = self._file, _NONE
        return file

    def _take(self, *, wait: bool) -> bool:
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, self._offset, self._length, 0)
        while True:
            self._file = _open_files.pop((self._path, self._offset < KEYS), _NONE)
            is_kept = self._file is not _NONE
            if is_kept and _links(self._file) is None:  # another file has its number by now
                self._file = _NONE
                continue
            if not is_kept:
                self._file = self._open()
            _held.add(self)
            try:
                fcntl.fcntl(self._file[0], command, request)
                if _links(self._file):
                    return True
            except OSError as error:
                is_another = is_kept and _links(self._file) is None
                self._close()
                if is_another:
                    continue
                if error.errno in _TAKEN:
                    return False
                if error.errno in _UNSUPPORTED:
                    return self._take_other(wait=wait)
                raise
            except BaseException:  # an interrupt while waiting
                self._close()
                raise
            self._close()  # the file was removed meanwhile, or is another

    def _take_other(self, *, wait: bool) -> bool:
        self._other = self._instead(self._offset)
        if not wait:
            return self._other.try_acquire()
        self._other.acquire()
        return True

    def _close(self) -> None:
        _held.discard(self)
        _close(self.give_up())

    def _open(self) -> _File:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        mode = 0o600 if self._private else 0o666
        try:
            descriptor = open_file(self._path, flags, mode)
        except FileNotFoundError:
            make_folder(Path(self._path).parent, trust=not self._private)
            descriptor = open_file(self._path, flags, mode)
        return descriptor, os.fstat(descriptor).st_ino
