"""Copy the values of many arrays quickly, into memory that is used again."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ckpt._collection import VarCollection
from ckpt._npz import PIECE
from ckpt._threads import each
from expcore import anonymous

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ckpt._dtypes import Array

ALIGN = 64
PART = 512 << 10
"""Bytes copied at a time; for more at once the C library bypasses the caches, and is slower."""
MANY = 64 << 20
"""From so many bytes on, several threads copy."""
THREADS = 2
"""More do not help: they wait for the memory."""


class Snapshot:
    """Copies of arrays in one buffer, which is used again: pages that are there copy faster."""

    def __init__(self) -> None:
        self._buffer = anonymous(mmap.PAGESIZE)

    def __reduce__(self) -> tuple[type[Snapshot], tuple[()]]:
        return Snapshot, ()  # a pickled checkpoint begins with an empty one

    def take(self, arrays: Mapping[str, Array]) -> Copies:
        """Copy arrays; the copies hold until the next call."""
        values = list(arrays.values())
        total = sum([value.nbytes for value in values])
        room = total + ALIGN * len(values)
        if not room <= len(self._buffer) <= 4 * room + mmap.PAGESIZE:
            self._buffer = anonymous(room or 1)
        copies = Copies(self._buffer, list(arrays), values)
        if total > PIECE * len(values):
            copies.copy_large(values, total)
        else:
            copies.copy_small(values)
        return copies


class Copies:
    """What was copied, without the arrays that it was copied from."""

    def __init__(self, buffer: mmap.mmap, names: list[str], values: list[Array]) -> None:
        self.buffer, self.names = buffer, names
        self.kinds = [(value.dtype, value.shape, value.flags.fnc) for value in values]
        self.places: list[int] = []

    def copy_small(self, values: list[Array]) -> None:
        """Copy one behind the other: for small arrays what counts is each call."""
        self.buffer.seek(0)
        write, place = self.buffer.write, 0
        for value in values:
            self.places.append(place)
            try:
                place += write(value)  # type: ignore[arg-type]
            except (BufferError, ValueError):  # it has gaps, or a dtype that buffers have not
                place += write(value.tobytes("A"))

    def copy_large(self, values: list[Array], total: int) -> None:
        """Copy to aligned places, by several threads if there is much to copy."""
        place = 0
        for value in values:
            self.places.append(place)
            place += -(-value.nbytes // ALIGN) * ALIGN
        pairs = zip(self.arrays().values(), values, strict=True)
        parts = [part for copy, value in pairs for part in _parts(copy, value)]
        threads = 1 if total < MANY else THREADS
        shares = [parts[i::threads] for i in range(threads)]
        for _ in each(_copy, shares, threads):
            pass

    def variables(self) -> VarCollection:
        """The copies as variables, to be saved."""
        return VarCollection(self.arrays())

    def arrays(self) -> dict[str, Array]:
        """The copies by name."""
        out: dict[str, Array] = {}
        for name, place, kind in zip(self.names, self.places, self.kinds, strict=True):
            dtype, shape, fortran = kind
            buffer = cast("Any", self.buffer)
            out[name] = np.ndarray(shape, dtype, buffer, place, order="F" if fortran else "C")
        return out


def _copy(parts: list[tuple[Array, Array]]) -> None:
    for copy, value in parts:
        np.copyto(copy, value)


def _parts(copy: Array, value: Array) -> list[tuple[Array, Array]]:
    """An array and its copy, cut where both lie in memory in one piece."""
    if value.nbytes <= PART or not (value.flags.c_contiguous or value.flags.f_contiguous):
        return [(copy, value)]
    ours, theirs = copy.reshape(-1, order="A"), value.reshape(-1, order="A")
    step = max(1, PART // value.itemsize)
    cuts = range(0, len(ours), step)
    return [(ours[at : at + step], theirs[at : at + step]) for at in cuts]
