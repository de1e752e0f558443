"""Make folders, and the names in them, survive a power failure."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from expcore._flush import flush

if TYPE_CHECKING:
    from pathlib import Path


def make_folders(folder: Path) -> None:
    """Make a folder and its parents; when this returns, they survive a power failure.

    Raises:
        NotADirectoryError: There is a file in the way.
        OSError: One cannot be made.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folders(folder.parent)
    # Not exist_ok: a file in the way must be reported as one.
    with suppress(FileExistsError):
        folder.mkdir()
        sync_folder(folder.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; Windows does this by itself."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # its names may be written, but not read
        return
    try:
        flush(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)
