"""Bring what was written to the disk itself, where it survives a power failure."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def flush(descriptor: int) -> None:
    """Return when the bytes of an open file, or the names in an open folder, are on the disk.

    Raises:
        OSError: They cannot be brought there.
    """
    if sys.platform == "darwin":
        # There, fsync is content with the drive's own memory.
        import fcntl

        with suppress(OSError):  # of a network file system; or fsync will say it too
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
