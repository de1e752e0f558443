"""A value in a folder, as a file: opened to be read, or written in one piece."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from expcore._atomic import open_atomic, write_file
from expcore._data import copy, is_stream
from expcore._opening import open_at_once
from expcore._stream import staged

if TYPE_CHECKING:
    from collections.abc import Callable

    from expcore._data import Data


def open_value(path: Path) -> BinaryIO:
    """Open a file, and nothing else that may be in its place.

    Raises:
        FileNotFoundError: There is none, or it is a device or a pipe.
        IsADirectoryError: It is a folder.
    """
    try:
        file = open(path, "rb", opener=open_at_once)  # noqa: SIM115 -- the caller closes it
    except PermissionError:
        if path.is_dir():  # on Windows
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return file


def write_value(
    path: Path, data: Data, *, overwrite: bool, progress: Callable[[int], object] | None
) -> None:
    """Write bytes, the rest of a stream, or a file's contents.

    Args:
        path: Where to; see :func:`expcore.open_atomic`.
        data: What to write.
        overwrite: If False, there must be nothing.
        progress: Called with the number of bytes written since its last call.
    """
    if isinstance(data, Path):
        with data.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            _write_stream(path, source, size, overwrite=overwrite, progress=progress)
    elif is_stream(data):
        _write_stream(path, data, 0, overwrite=overwrite, progress=progress)
    else:
        write_file(path, data, overwrite=overwrite, progress=progress)


def _write_stream(
    path: Path,
    source: BinaryIO,
    size: int,
    *,
    overwrite: bool,
    progress: Callable[[int], object] | None,
) -> None:
    with (
        open_atomic(path, overwrite=overwrite) as file,
        staged(file, size=size, progress=progress) as target,
    ):
        copy(source, target)
