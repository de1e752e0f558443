"""Open a zip so that whatever is wrong with its bytes is one error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from codesave.errors import NotAZipError

if TYPE_CHECKING:
    import os
    import zipfile
    from collections.abc import Generator


def damage() -> tuple[type[Exception], ...]:
    """What :mod:`zipfile` raises for files that are no zips, or damaged ones."""
    import struct
    import zipfile
    import zlib

    damaged = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, UnicodeDecodeError)
    return (*damaged, NotImplementedError)  # a method or version that no zip of ours has


@contextmanager
def opened(path: str | os.PathLike[str]) -> Generator[zipfile.ZipFile]:
    """An open zip, for the length of the block.

    Raises:
        NotAZipError: The file is no zip, or what the block reads of it is damaged.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            # zipfile would look for such a member before the beginning of the file.
            if any(member.header_offset < 0 for member in archive.infolist()):
                raise zipfile.BadZipFile("a member lies outside of the file")
            yield archive
    except damage() as error:
        raise NotAZipError(str(path), str(error)) from error
    except RuntimeError as error:
        if "encrypted" not in str(error):  # zipfile's only sign of it
            raise
        raise NotAZipError(str(path), str(error)) from error
