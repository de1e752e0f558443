"""Rename a file over another, also where nobody may have that one open."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PAUSES_S = tuple(0.001 * 2**n for n in range(10))
"""About a second in all."""


def replace(source: Path, target: Path) -> None:
    """Rename a file over another.

    Windows replaces no file that is open, be it in a reader or in a virus scanner. Most are
    closed in no time, so it is tried again for a second.

    Raises:
        IsADirectoryError: The target is a folder.
        PermissionError: It is not ours to replace, or stays open on Windows.
        OSError: The file cannot be renamed.
    """
    for pause_s in PAUSES_S if os.name == "nt" else ():
        try:
            source.replace(target)
        except PermissionError:
            if target.is_dir():
                text = os.strerror(errno.EISDIR)
                raise IsADirectoryError(errno.EISDIR, text, str(target)) from None
            time.sleep(pause_s)
        else:
            return
    source.replace(target)
