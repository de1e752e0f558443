"""Make folders, and what others wrote, survive a power failure."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_folders(folder: Path) -> None:
    """Make a folder and its parents; when this returns, their names are on the disk."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    sync(folder.parent)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, expected a folder for checkpoints")


def sync(path: Path) -> None:
    """Bring a file's bytes, or a folder's names, to the disk."""
    if os.name == "nt":  # folders cannot be opened there, and need not be
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
