"""Locks on single bytes of one file, by Linux's *open file description* locks.

Such a lock belongs to the open file, not to the process: two threads that opened the file each
exclude each other like two processes, and closing another handle of the file frees nothing. The
kernel frees the lock when its last holder is gone.

A process opens a lock file once, however many of its bytes it holds, as a thousand coroutines may
compute at once. Only a thread that is to wait for another one's byte opens it again. A forked
process closes all these files: it would share the description, and with it the locks, of its
parent, and keep them when the parent is killed.

Whoever has the lock of a whole file may remove it: those who then get a lock of the removed file
notice, and open the new one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
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
MOST_IDLE = 32
"""How many lock files stay open while this process holds no lock of them."""
ALL = -1
"""Stands for all bytes of a file."""


class _File:
    """A lock file that this process has open."""

    __slots__ = ("_inode", "descriptor", "taken")

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self._inode = descriptor, os.fstat(descriptor).st_ino
        self.taken: set[int] = set()
        """The bytes that a thread of this process holds or waits for."""

    def links(self) -> int | None:
        """Return by how many names it is known; None if the descriptor is not its any more.

        A daemon closes all descriptors, and their numbers come to mean other files.
        """
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            return None
        return status.st_nlink if status.st_ino == self._inode else None

    def close(self) -> None:
        """Close it, if it is open."""
        if self.links() is not None:
            os.close(self.descriptor)
        self.descriptor = -1


_open_files: dict[str, list[_File]] = {}
"""By path."""
_mutex = threading.RLock()
"""Of the thread that takes note of what is open and taken."""


def _close_all() -> None:
    global _mutex  # noqa: PLW0603 -- another thread of the parent may hold it
    _mutex = threading.RLock()
    for files in _open_files.values():
        for file in files:
            file.close()
    _open_files.clear()


os.register_at_fork(after_in_child=_close_all)


class ByteLock:
    """A byte of a file, which need not exist yet.

    Args:
        path: The file.
        offset: Which byte, which may be far beyond the end; or :data:`ALL`.
        instead: Returns the lock for an offset where the file system has none for bytes.
        private: Create the file, and its folder, for the owner alone.
    """

    _file: _File | None = None
    _other: Lock | None = None

    def __init__(
        self, path: str, offset: int, instead: Callable[[int], Lock], *, private: bool
    ) -> None:
        self._path, self._private, self._instead = path, private, instead
        self._offset = offset
        start, length = (0, 0) if offset == ALL else (offset, 1)
        self._lock_request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        self._unlock_request = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, start, length, 0)

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
        """Give it back, if it is held."""
        file = self._file
        if file is not None:
            # With nothing before it in which an interrupt could come, as in `suppress`.
            try:  # noqa: SIM105
                fcntl.fcntl(file.descriptor, fcntl.F_OFD_SETLK, self._unlock_request)
            except (OSError, ValueError):  # closed by others, or in a forked process: it is free
                pass
            self._leave(file)
            self._file = None
        if self._other is not None:
            self._other.release()

    def _take(self, *, wait: bool) -> bool:
        command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
        while True:
            file = self._join()
            try:
                fcntl.fcntl(file.descriptor, command, self._lock_request)
                if file.links():
                    return True
            except OSError as error:
                if file.links() is not None:
                    if error.errno not in _TAKEN | _UNSUPPORTED:
                        raise
                    self.release()
                    return error.errno in _UNSUPPORTED and self._take_other(wait=wait)
            self.release()  # the file was removed meanwhile, or the descriptor is another's

    def _take_other(self, *, wait: bool) -> bool:
        self._other = self._instead(self._offset)
        if not wait:
            return self._other.try_acquire()
        self._other.acquire()
        return True

    def _join(self) -> _File:
        """Return an open file to lock the byte of."""
        with _mutex:
            files = _open_files.setdefault(self._path, [])
            for file in [file for file in files if not file.links()]:
                files.remove(file)
                if not file.taken:
                    file.close()
            free = [file for file in files if file.taken.isdisjoint((self._offset, ALL))]
            if not free or self._offset == ALL:
                free = [self._open()]
                files += free
            free[0].taken.add(self._offset)
            self._file = free[0]
        return self._file

    def _leave(self, file: _File) -> None:
        """Close a file unless others are to use it."""
        with _mutex:
            file.taken.discard(self._offset)
            files = _open_files.get(self._path, [])
            is_kept = file in files[:1] and len(_open_files) <= MOST_IDLE
            if file.taken or is_kept:
                return
            file.close()
            if file in files:
                files.remove(file)
            if not files:
                _open_files.pop(self._path, None)

    def _open(self) -> _File:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        mode = 0o600 if self._private else 0o666
        try:
            descriptor = open_file(self._path, flags, mode)
        except FileNotFoundError:
            make_folder(Path(self._path).parent, trust=not self._private)
            descriptor = open_file(self._path, flags, mode)
        return _File(descriptor)
