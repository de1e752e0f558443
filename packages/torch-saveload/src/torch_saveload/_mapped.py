"""Open a file, map it into memory, and have parts of it read ahead."""

from __future__ import annotations

import mmap
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from .errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from ._bytes import Buffer

PIECE_BYTES = 4 << 20
_POPULATE_READ = 22  # of Linux 5.14, not yet named by the mmap module


def is_no_file(path: Path) -> bool:
    """Tell whether something is there that is no ordinary file: a folder, a device or a pipe."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def open_ordinary(path: Path) -> BinaryIO:
    """Open a model file for reading.

    Raises:
        FormatError: It is a folder or a device; to open a pipe would wait for its writer.
        OSError: It cannot be opened.
    """
    if is_no_file(path):
        raise FormatError(str(path), "a folder or a device, so no model file")
    return path.open("rb")


def mapped(file: BinaryIO) -> Buffer | mmap.mmap:
    """Return the bytes of a file, private to this process: writing to them never reaches it."""
    # A mapped file cannot be replaced on Windows, and some file systems cannot map: it is read.
    if sys.platform != "win32":
        with suppress(OSError):
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            _prefer_large_pages(data)
            return data
    file.seek(0)
    return bytearray(file.read())


def _prefer_large_pages(data: mmap.mmap) -> None:
    """Have the file read into pages of 2 MiB, where system and file system know them.

    Mapped from those, a gigabyte is 500 faults instead of 250,000: it is at hand in half the time.
    """
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            data.madvise(mmap.MADV_HUGEPAGE)


def fetch_pages(data: mmap.mmap, start: int, end: int) -> None:
    """Have a part of a mapped file read and mapped, in pieces.

    On a cold page cache that takes half of the time that it takes to fault page by page.
    """
    if sys.platform == "linux":
        start -= start % mmap.PAGESIZE
        with suppress(OSError):  # an older kernel
            for at in range(start, end, PIECE_BYTES):
                data.madvise(_POPULATE_READ, at, min(PIECE_BYTES, end - at))
