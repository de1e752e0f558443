"""What others wrote survives a power failure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from expcore import flush

if TYPE_CHECKING:
    from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file's bytes, or a folder's names, to the disk."""
    flags = os.O_RDONLY
    if os.name == "nt":
        if path.is_dir():  # it cannot be opened there, and need not be
            return
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0)  # else it is not flushed
    descriptor = os.open(path, flags)
    try:
        flush(descriptor)
    except OSError:
        if not path.is_dir():  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
