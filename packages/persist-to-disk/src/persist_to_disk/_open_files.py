"""Open bucket files: whether one has changed is seen in half the time that its path takes.

What is seen so is only ever compared with what is known of the file by its path. So a descriptor
that stands for another file by now, as a daemon closes all that it finds, costs time at most.
"""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from typing import NamedTuple

MOST_OPEN = 512
LARGEST_BYTES = 256 << 10
"""A file that is removed takes its room on the disk for as long as it is open."""


class _File(NamedTuple):
    descriptor: int
    device: int
    inode: int


_open: dict[str, _File] = {}


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
        found = _open_file(path, inode)
    return None if found is None else found.descriptor


def close(path: str) -> None:
    """Close a file, if it is open."""
    if (found := _open.pop(path, None)) is not None:
        with suppress(OSError):
            status = os.fstat(found.descriptor)
            if (status.st_dev, status.st_ino) == found[1:]:
                os.close(found.descriptor)


def _open_file(path: str, inode: int) -> _File | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # the process has too many open files, or the file is gone
        return None
    status = os.fstat(descriptor)
    opened = _File(descriptor, status.st_dev, status.st_ino)
    # Another thread may have been faster.
    found = _open.setdefault(path, opened) if opened.inode == inode else None
    if found is not opened:
        os.close(descriptor)
    return found


@functools.cache
def _most_open() -> int:
    """Return how many files may be open: few of those that the process may open at all."""
    if os.name == "nt":  # there, a file that is open cannot be replaced
        return 0
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if allowed < 0 else min(MOST_OPEN, allowed // 4)
