"""Open folders: a file is looked up from there in less time than from the root.

What is found so is only ever compared with what is known of a file by its full path, so a
folder that was moved, or a descriptor that stands for another one by now, costs time at most.
"""

from __future__ import annotations

import os
from contextlib import suppress

MOST_OPEN = 64
_CAN = os.stat in os.supports_dir_fd

_open: dict[str, int] = {}


def descriptor_of(folder: str) -> int | None:
    """Return a descriptor of a folder, which stays open; None if there is to be none."""
    found = _open.get(folder)
    if found is None and _CAN and len(_open) < MOST_OPEN:
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # too many open files, or a folder that may only be searched
            return None
        found = _open.setdefault(folder, opened)
        if found != opened:  # another thread was faster
            os.close(opened)
    return found


def forget(folder: str) -> None:
    """Close the descriptor of a folder that may be another one by now."""
    if (found := _open.pop(folder, None)) is not None:
        with suppress(OSError):  # a process that becomes a daemon closes all there are
            os.close(found)
