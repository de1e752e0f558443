"""Memory for large buffers, whose first use is quick."""

from __future__ import annotations

import mmap
from contextlib import suppress


def anonymous(size: int) -> mmap.mmap:
    """Return memory of this process alone, zeroed, in large pages if there are any.

    Each page takes a visit to the system when it is first used: with pages of 4 KiB that takes
    longer than to fill them. It is not shared with forks: a child that writes there must not
    change what its parent is writing to a file.

    Args:
        size: Bytes; at least 1.
    """
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return mmap.mmap(-1, size)
    made = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            made.madvise(mmap.MADV_HUGEPAGE)
    return made
