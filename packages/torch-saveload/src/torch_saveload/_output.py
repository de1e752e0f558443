"""The file that a model is written to, and the copies that it is written from.

A model may be trained on by another thread while it is saved. So each byte is read from it once:
into a copy, whose digest and checksum are computed and which is then written. A tensor may be one
of two moments, but it is never refused by the digest that it was saved with.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from expcore import digest_bytes, open_atomic, staged

from ._bytes import PiecewiseDigest, tensor_bytes
from ._former import freed_in_background
from ._progress import late_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from torch import Tensor

    from ._bytes import Buffer

PIECE_BYTES = 256 << 10
"""What is copied at a time: it is digested and written while it is near the processor."""
NO_DIGEST = digest_bytes(b"")
"""Stands for a digest that is not yet known, and is as long."""


class Output:
    """A file that is written from its beginning to its end."""

    def __init__(
        self, write: Callable[[Buffer], object], advance: Callable[[int], object]
    ) -> None:
        self.write = write
        self.advance = advance
        """Called with the number of bytes of tensors that were dealt with since its last call."""
        self.corrections: list[tuple[int, bytes]] = []
        """What is written once more when all is: place and bytes."""


@contextmanager
def open_output(path: Path, size: int, *, overwrite: bool = True) -> Generator[Output]:
    """Open a file that appears when all is written, and say how far it is.

    Args:
        path: The file.
        size: The bytes of its tensors.
        overwrite: Whether there may be one.
    """
    with (
        freed_in_background(path),
        late_progress(f"save {path.name}", size) as advance,
        open_atomic(path, overwrite=overwrite) as file,
    ):
        with staged(file, size=size) as stages:
            output = Output(stages.write, advance)
            yield output
        for place, data in output.corrections:
            file.seek(place)
            file.write(data)
    _forget(path, output.corrections)


def _forget(path: Path, corrections: Iterable[tuple[int, bytes]]) -> None:
    """Have the system keep no copies of what was written once more.

    All else went to the disk directly. Where a few small pages are there already, a file is read
    into small pages all around, and takes twice the time to map.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError), path.open("rb") as file:
            for place, data in corrections:
                length = len(data) + -len(data) % mmap.PAGESIZE
                os.posix_fadvise(file.fileno(), place, length, os.POSIX_FADV_DONTNEED)


def copy_of(tensor: Tensor) -> bytes:
    """Return the bytes of a contiguous CPU tensor."""
    return ctypes.string_at(tensor.data_ptr(), tensor.nbytes) if tensor.nbytes else b""


class Copies:
    """The bytes of a contiguous CPU tensor, copied piece by piece.

    Each piece is in the memory of the one before it.
    """

    def __init__(self, tensor: Tensor, advance: Callable[[int], object]) -> None:
        self._tensor, self._advance = tensor, advance
        self._digest = PiecewiseDigest()

    def __iter__(self) -> Iterator[memoryview]:
        data = tensor_bytes(self._tensor)
        memory = memoryview(bytearray(min(PIECE_BYTES, len(data))))
        for at in range(0, len(data), PIECE_BYTES):
            piece = memory[: min(PIECE_BYTES, len(data) - at)]
            piece[:] = data[at : at + len(piece)]
            self._digest.update(piece)
            yield piece
            self._advance(len(piece))

    @property
    def digest(self) -> str:
        """The digest of the pieces so far."""
        return str(self._digest)
