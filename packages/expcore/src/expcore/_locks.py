"""An advisory lock on an open file, where the system has one."""

from __future__ import annotations

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

import errno

_BUSY = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK}


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file for as long as any copy of its descriptor is open.

    Returns:
        True if the lock is held now, False if someone else holds it, None if the system or
        the file system has no such locks.
    """
    if fcntl is None:  # pyright: ignore[reportUnnecessaryComparison]
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _BUSY else None
    return True
