"""What is wrong with a file: found where its bytes are read, told where its name is known."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ckpt._entries import shown
from ckpt.errors import BrokenFileError

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def blamed(path: str) -> Generator[None]:
    """Turn what the format modules found wrong into an error that names the file."""
    try:
        yield
    except Malformed as error:
        raise BrokenFileError(path, str(error)) from error.__cause__


class Malformed(Exception):
    """Something wrong with the bytes, of a file that the raiser does not know."""


@contextmanager
def believing_nothing(name: bytes | None = None) -> Generator[None]:
    """Take what is found wrong in the block as something wrong with the file's bytes.

    Args:
        name: Of the member that they belong to.
    """
    try:
        yield
    except ValueError as error:
        if isinstance(error, OSError):  # io.UnsupportedOperation is both
            raise
        what = f"member {shown(name)}: " if name else ""
        raise Malformed(f"{what}{error}") from error
