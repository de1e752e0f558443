"""Read the variables of an ``.npz`` file, as :mod:`ckpt._npz` lays it out; trust nothing in it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ckpt import _npy, _npz
from ckpt._arena import Arena, checksum
from ckpt._directory import Source, read_directory
from ckpt._entries import shown
from ckpt._malformed import Malformed, believing_nothing, blamed
from ckpt._progress import slow_progress
from ckpt._source import FileOrPath, name_of, open_source
from ckpt._zip import LOCAL, MAX16
from expcore import crc32

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from ckpt._dtypes import Array

LONGEST = _npy.LONGEST + 12
LONGEST_LOCAL = LOCAL.size + 2 * MAX16
NAMES, META = _npz.NAMES.encode(), _npz.META.encode()


@contextmanager
def open_npz(file: FileOrPath) -> Generator[NpzReader]:
    """Open a checkpoint file for reading.

    Raises:
        BrokenFileError: Also from within the block: the file is not a whole checkpoint.
    """
    with open_source(file) as source, blamed(name_of(file)):
        yield NpzReader(name_of(file), source)


class NpzReader:
    """The variables of one checkpoint file, read when asked for.

    Args:
        path: What messages call the file.
        source: Its bytes.
    """

    def __init__(self, path: str, source: Source) -> None:
        self.path, self.source = path, source
        with believing_nothing():
            self.directory = read_directory(source)
        self.names, self._rows = self._variables()
        self.index = dict(zip(self.names, range(len(self.names)), strict=True))
        if len(self.index) != len(self.names):
            raise Malformed("it gives one name to two variables")

    def _variables(self) -> tuple[list[str], Sequence[int]]:
        """The names of the variables, and which members have their values."""
        rows = self.directory.rows
        if NAMES not in rows:
            arrays = [name.removesuffix(b".npy") for name in rows if name.endswith(b".npy")]
            if not arrays or any(map(bytes.isdigit, arrays)):
                raise Malformed(f"it has no member {shown(NAMES)}")
            with believing_nothing():  # numpy.savez wrote it
                return [name.decode() for name in arrays], [
                    rows[name + b".npy"] for name in arrays
                ]
        data = self._whole(NAMES)
        with believing_nothing(NAMES):
            names = decode_names(data)
        titles = _titles(len(names))
        if self.directory.names in ([NAMES, *titles], [NAMES, *titles, META]):  # as written here
            return names, range(1, len(names) + 1)
        found = list(map(rows.get, titles))
        held = sum(name.removesuffix(b".npy").isdigit() for name in rows)
        if held != len(names):
            raise Malformed(f"it names {len(names)} variables but holds {held}")
        if None in found:
            raise Malformed(f"it has no member '{found.index(None)}.npy'")
        return names, cast("list[int]", found)

    def read(self, names: Iterable[str], *, verify: bool = True) -> dict[str, Array]:
        """Read the values of some variables.

        Args:
            names: Of the variables.
            verify: Whether their checksums are.

        Returns:
            An array of its own for each name, writable and aligned; those of a file that was
            written here share one allocation.
        """
        wanted = list(names)
        numbers = [self._rows[i] for i in map(self.index.__getitem__, wanted)]
        arena = self._arena(numbers, verify=verify)
        arrays: list[Array] = []
        for begin, end in runs(arena.starts[numbers], self.directory.table[1, numbers]):
            arrays.extend(self._arrays(arena, numbers[begin:end]))
        return dict(zip(wanted, arrays, strict=True))

    def sizes(self, names: Iterable[str]) -> list[int]:
        """The bytes of some variables in the file, with their headers."""
        sizes = self.directory.sizes
        return [sizes[self._rows[self.index[name]]] for name in names]

    def meta(self) -> dict[str, Any]:
        """Read the plain data stored beside the arrays; empty if there are none."""
        if META not in self.directory.rows:
            return {}
        data = self._whole(META)
        with believing_nothing(META):
            return _npz.decode_meta(data)

    def header(self, name: str) -> _npy.Header:
        """Read what the file says of a variable, without reading its value."""
        return self.place(name)[1]

    def place(self, name: str) -> tuple[int, _npy.Header]:
        """Where in the file a variable begins with its header, and that."""
        row = self._rows[self.index[name]]
        with believing_nothing(self.directory.names[row]):
            size, start = self.directory.sizes[row], self.directory.find_data(row, self.source)
            header = parse_header(self.source.read(start, min(size, LONGEST)))
            if header.length + header.nbytes != size:
                raise ValueError(f"its header claims {header.nbytes} bytes, it holds {size}")
        return start, header

    def verify(self, names: Sequence[str]) -> None:
        """Compare the checksums of some variables, of which nothing is kept."""
        if len(names) > 1:
            self._arena([self._rows[self.index[name]] for name in names], verify=True)
            return
        row = self._rows[self.index[names[0]]]
        with believing_nothing():
            start = self.directory.find_data(row, self.source)
            crc = checksum(self.source, start, start + self.directory.sizes[row])
            self.directory.check(row, crc)

    def _whole(self, name: bytes) -> bytes:
        """The data of a member that all of is needed at once; its checksum is verified."""
        row = self.directory.rows[name]
        begin, end = self.directory.offsets[row], self.directory.ends[row]
        size = self.directory.sizes[row]
        with believing_nothing():
            text = self.source.read(begin, min(end - begin, LONGEST_LOCAL + size))
            if len(text) < LOCAL.size + len(name) + size:
                raise ValueError("it was cut off while it was read")
            start = self.directory.data_start(row, text)
            data = text[start : start + size]
            self.directory.check(row, crc32(data))
        return data

    def _arena(self, rows: Sequence[int], *, verify: bool) -> Arena:
        total = sum(map(self.directory.sizes.__getitem__, rows))
        with believing_nothing(), slow_progress(f"load {self.path}", total) as advance:
            return Arena(self.source, self.directory, rows, advance, verify=verify)

    def _arrays(self, arena: Arena, rows: list[int]) -> Iterable[Array]:
        """Arrays at equal distances; those that are alike are taken from one view of all."""
        first = self._array(arena, rows[0])
        if len(rows) == 1 or not first.shape:
            return [first, *(self._array(arena, row) for row in rows[1:])]
        memory, start = arena.memory, int(arena.starts[rows[0]])
        apart = int(arena.starts[rows[1]]) - start
        length = self.directory.sizes[rows[0]] - first.nbytes
        heads = np.ndarray((len(rows), length), np.uint8, memory, start, (apart, 1))
        if (heads != heads[0]).any():
            return [first, *(self._array(arena, row) for row in rows[1:])]
        shape, strides = (len(rows), *first.shape), (apart, *first.strides)
        return aligned(np.ndarray(shape, first.dtype, memory, start + length, strides))

    def _array(self, arena: Arena, row: int) -> Array:
        start, size = int(arena.starts[row]), self.directory.sizes[row]
        view = arena.view
        try:
            # Equal headers are read once; those of versions 2 and 3 are rare.
            if size > _npy.ALIGN and view[start + 6] == 1:
                length = 10 + view[start + 8] + (view[start + 9] << 8)
                header = _parse_header(view[start : start + min(length, size)].tobytes())
            else:
                header = parse_header(view[start : start + min(size, LONGEST)].tobytes())
            if header.fortran or header.length + header.nbytes != size:  # which is refused
                return aligned(_npy.shaped(arena.data(row)[header.length :], header))
            place = start + header.length
            return aligned(np.ndarray(header.shape, header.dtype, arena.memory, place))
        except ValueError as error:
            member = shown(self.directory.names[row])
            raise Malformed(f"member {member}: {error}") from error


def aligned(array: Array) -> Array:
    """The array, or a copy where its items lie at odd places, as numpy and objax write them."""
    return array if array.flags.aligned else array.copy(order="K")


def runs(starts: Array, sizes: Array) -> Iterable[tuple[int, int]]:
    """Stretches of places that are of equal size and equally far apart.

    >>> list(runs(np.array([0, 10, 20, 30, 70]), np.array([8, 8, 8, 7, 7])))
    [(0, 3), (3, 5)]
    """
    apart = np.diff(starts)
    other = np.diff(sizes) != 0
    other[1:] |= (apart[1:] != apart[:-1]) & ~other[:-1]
    cuts = [0, *(np.flatnonzero(other) + 1).tolist(), len(starts)]
    return pairwise(cuts) if len(starts) else []


def decode_names(data: bytes) -> list[str]:
    """The names in the member that has them.

    Raises:
        ValueError: These are none.
    """
    header = parse_header(data[:LONGEST])
    array = _npy.shaped(np.frombuffer(data, np.uint8, offset=header.length), header)
    if array.size == 0:
        return []
    if array.dtype.kind != "U" or array.ndim != 1:
        raise ValueError(f"it is an array of {array.dtype}, {array.ndim}-dimensional")
    points = np.frombuffer(array.astype(array.dtype.newbyteorder("=")), np.uint32)
    if points.max(initial=0) > sys.maxunicode:  # numpy itself would fail with a SystemError
        raise ValueError("it holds no text")
    return cast("list[str]", array.tolist())


@lru_cache(maxsize=2)
def _titles(count: int) -> list[bytes]:
    return [b"%d.npy" % i for i in range(count)]


@lru_cache(maxsize=1024)
def _parse_header(header: bytes) -> _npy.Header:
    return _npy.decode_header(header)


def parse_header(start: bytes) -> _npy.Header:
    """Read the header at the start of some bytes; equal ones are read once."""
    return _parse_header(start[: _npy.header_length(start[:12])])
