"""Open bucket files: whether one has changed is seen in half the time that its path takes.

What is read there is only ever compared with what is known of the file by its path. So a
descriptor that stands for another file by now, as a daemon closes all that it finds, costs time at
most; and before one is written to or closed, it is made sure whose it is.

Only files on a disk of this machine are kept open. NFS gives a file that is removed while it is
open another name, by which it seems to be there still.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from contextlib import suppress
from typing import NamedTuple

MOST_OPEN = 512
LAST_STANDARD = 2
NOT_WAITING = getattr(os, "O_NONBLOCK", 0)
LARGEST_BYTES = 256 << 10
"""A file that is removed takes its room on the disk for as long as it is open."""


class _File(NamedTuple):
    descriptor: int
    device: int
    inode: int


_open: dict[str, _File] = {}


def open_file(path: str | os.PathLike[str], flags: int, mode: int = 0o600) -> int:
    """Open a file, at the cost of those kept open if the process may open no more.

    What was put in its place, like a FIFO, is not waited for.

    Raises:
        OSError: It cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | NOT_WAITING, mode)
    except OSError as error:
        if error.errno != errno.EMFILE or not _open:
            raise
        for name in list(_open):
            close(name)
        descriptor = os.open(path, flags | NOT_WAITING, mode)
    return descriptor if descriptor > LAST_STANDARD else _not_a_standard_one(descriptor)


def _not_a_standard_one(descriptor: int) -> int:
    """Return another descriptor: in a process that closed its outputs, libraries write to them."""
    if os.name == "nt":
        return descriptor
    import fcntl

    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LAST_STANDARD + 1)
    finally:
        os.close(descriptor)


def descriptor_of(path: str, inode: int) -> int | None:
    """Return a descriptor of a file, which stays open; None if there is to be none.

    Args:
        path: The file.
        inode: Its number; whatever else may be there by now is not opened.
    """
    found = _open.get(path)
    if found is not None and found.inode != inode:
        close(path)
        found = None
    if found is None and len(_open) < _most_open():
        try:
            descriptor = open_file(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # too many are open, or it cannot be written to, or is gone
            return None
        status = os.fstat(descriptor)
        if status.st_ino == inode:
            keep(path, descriptor, status)
            found = _open.get(path)
        else:
            os.close(descriptor)
    return None if found is None else found.descriptor


def peek(path: str, inode: int) -> int | None:
    """Return a descriptor of a file if it is open already."""
    found = _open.get(path)
    return found.descriptor if found is not None and found.inode == inode else None


def take(path: str) -> tuple[int, os.stat_result] | None:
    """Return a descriptor of a file if it is open already, for one thread to write to.

    Returns:
        The descriptor, and the file's status. It is the caller's, to :func:`keep` or to close.
    """
    found = _open.pop(path, None)
    if found is None:
        return None
    try:
        status = os.fstat(found.descriptor)
    except OSError:
        return None
    if (status.st_dev, status.st_ino) != found[1:]:
        return None
    if not status.st_nlink:  # removed, or another took its place
        os.close(found.descriptor)
        return None
    return found.descriptor, status


def keep(path: str, descriptor: int, status: os.stat_result) -> None:
    """Keep a file open, or close it if there are enough."""
    file = _File(descriptor, status.st_dev, status.st_ino)
    if (
        len(_open) >= _most_open()
        or status.st_size > LARGEST_BYTES
        or not _is_on_disk(status)
        or _open.setdefault(path, file) is not file  # another thread was faster
    ):
        os.close(descriptor)


def close(path: str) -> None:
    """Close a file, if it is open."""
    with suppress(OSError):
        if (taken := take(path)) is not None:
            os.close(taken[0])


def _is_on_disk(status: os.stat_result) -> bool:
    return os.major(status.st_dev) != 0  # other file systems have numbers without a device


@functools.cache
def _most_open() -> int:
    """Return how many files may be open: few of those that the process may open at all."""
    # Windows replaces no file that is open; macOS does not tell which ones are on NFS.
    if sys.platform != "linux":
        return 0
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if allowed < 0 else min(MOST_OPEN, allowed // 4)
