"""Open a zip so that whatever is wrong with its bytes is one error."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from codesave.errors import NotAZipError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Generator
    from typing import BinaryIO

RATIO = 200
RATIO_COUNTS_ABOVE = 32 << 20
"""What unpacks to more than this many bytes, and over ``RATIO`` times its own, is a bomb."""
_METHODS = {0, 8}
"""Stored and deflated, as Python imports them: of others zipfile unpacks without a bound."""


def damage() -> tuple[type[Exception], ...]:
    """What :mod:`zipfile` raises for files that are no zips, or damaged ones."""
    import struct
    import zipfile
    import zlib

    damaged = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, UnicodeDecodeError)
    return (*damaged, NotImplementedError)  # a method or version that no zip of ours has


@contextmanager
def opened(file: str | os.PathLike[str] | BinaryIO) -> Generator[zipfile.ZipFile]:
    """An open zip, for the length of the block.

    Args:
        file: Its path, or the file, open already.

    Raises:
        NotAZipError: The file is no zip, or what the block reads of it is damaged.
    """
    import zipfile

    path = str(file if isinstance(file, str | os.PathLike) else file.name)
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                _check_readable(member, archive.start_dir)
            yield archive
    except damage() as error:
        raise NotAZipError(path, str(error)) from error
    except RuntimeError as error:
        if "encrypted" not in str(error):  # zipfile's only sign of it
            raise
        raise NotAZipError(path, str(error)) from error


def _check_readable(member: zipfile.ZipInfo, end: int) -> None:
    import zipfile

    if not member.filename:
        raise zipfile.BadZipFile("a member has no name")
    if not 0 <= member.header_offset < end:  # zipfile would look for it there
        raise zipfile.BadZipFile("a member lies outside of the file")
    if member.compress_type not in _METHODS:
        how = f"by method {member.compress_type}, which is not deflate"
        raise zipfile.BadZipFile(f"member {member.filename!r} is compressed {how}")
