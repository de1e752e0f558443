"""Turn named arrays into the bytes of one ``.npz`` file, and back.

The layout is objax's: a member ``names.npy`` with the variables' names (``<U``, one dimension),
then ``0.npy``, ``1.npy``, … with their values in that order, all stored, none compressed. Besides,
where there is something to say beyond arrays, ``meta.json``: a JSON object with ``"ckpt": 1`` (the
version of this layout) and the keys ``extra`` and ``metrics``; numpy and objax pass over it.
Equal arrays give equal bytes, so a digest of the file identifies its contents.
"""

from __future__ import annotations

import json
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from ckpt import _npy, _zip
from ckpt._dtypes import Array, to_stored
from ckpt._source import FileOrPath, name_of, open_source
from ckpt.errors import BrokenFileError, UnsupportedValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Buffer

NAMES, META = "names.npy", "meta.json"
VERSION = 1
PIECE = 8 << 20
"""Bytes that a thread reads at a time."""
THREADS = 3
SMALL_COUNT = 1000
"""So many members are small ones, for which a thread costs more than it brings."""
T = TypeVar("T")
U = TypeVar("U")


def encode_npz(
    arrays: Mapping[str, Array], meta: Mapping[str, Any] | None = None
) -> Iterator[Buffer]:
    """Yield the pieces of an npz file; the arrays' own memory is among them, uncopied.

    Args:
        arrays: An array of any shape for each variable name. The order is kept.
        meta: Plain JSON data to store beside them.

    Raises:
        UnsupportedValueError: A name or a dtype has no place in an npz file.

    >>> data = b"".join(encode_npz({"layer.w": np.zeros((2, 3), np.float32)}))
    >>> import io
    >>> np.load(io.BytesIO(data))["names"]
    array(['layer.w'], dtype='<U7')
    """
    members = [(NAMES, *_prepare("names", encode_names(list(arrays))))]
    members += [(f"{i}.npy", *_prepare(*item)) for i, item in enumerate(arrays.items())]
    if meta:
        text = json.dumps({"ckpt": VERSION, **meta}, ensure_ascii=False, sort_keys=True)
        members.append((META, text.encode("utf-8", "surrogatepass"), np.empty(0, np.uint8)))
    placed, end = _zip.lay_out([(name, len(head) + data.nbytes) for name, head, data in members])
    crcs: list[int] = []
    for member, (_, head, data) in zip(placed, members, strict=True):
        body = as_bytes(data)
        crcs.append(zlib.crc32(body, zlib.crc32(head)))
        yield _zip.local_header(member, crcs[-1]) + head
        if body:
            yield body
    yield _zip.directory(placed, crcs, end)


def encode_names(names: Sequence[str]) -> Array:
    """The names as the array that the file holds."""
    for name in names:
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UnsupportedValueError(repr(name), "its name is no string")
        if name.endswith("\0"):
            raise UnsupportedValueError(name, "numpy would drop the NUL at the end of its name")
    return np.array(names, dtype=None if names else "<U1").astype("<U", copy=False)


def check_arrays(arrays: Mapping[str, Array]) -> None:
    """Refuse what :func:`encode_npz` would refuse.

    Raises:
        UnsupportedValueError: A name or a dtype has no place in an npz file.
    """
    encode_names(list(arrays))
    for item in arrays.items():
        _prepare(*item)


def _prepare(name: str, array: Array) -> tuple[bytes, Array]:
    try:
        stored = to_stored(array)
        fortran = stored.flags.f_contiguous and not stored.flags.c_contiguous
        return _npy.encode_header(stored.dtype, stored.shape, fortran=fortran), stored
    except UnsupportedValueError as error:
        raise UnsupportedValueError(name, error.reason) from None


def as_bytes(array: Array) -> memoryview:
    """The bytes of an array in the order of the file; copied only if it is not contiguous."""
    if not array.nbytes:
        return memoryview(b"")
    flat = array.T if array.flags.f_contiguous else np.ascontiguousarray(array)
    return memoryview(cast("Any", flat.reshape(-1).view(np.uint8)))


@contextmanager
def open_npz(file: FileOrPath) -> Generator[NpzReader]:
    """Open a checkpoint file for reading.

    Raises:
        BrokenFileError: Also from within the block: the file is not a whole checkpoint.
    """
    with open_source(file) as source, blamed(name_of(file)):
        yield NpzReader(name_of(file), source)


@contextmanager
def blamed(path: str) -> Generator[None]:
    """Turn what the format modules found wrong into an error that names the file."""
    try:
        yield
    except _Malformed as error:
        raise BrokenFileError(path, str(error)) from error.__cause__


class _Malformed(Exception):
    """Something wrong with the bytes, of a file that the raiser does not know."""


@contextmanager
def _believing_nothing(what: str = "") -> Generator[None]:
    try:
        yield
    except ValueError as error:
        raise _Malformed(f"{what}{error}") from error


class NpzReader:
    """The variables of one checkpoint file, read when asked for.

    Args:
        path: What messages call the file.
        source: Its bytes.
    """

    def __init__(self, path: str, source: _zip.Source) -> None:
        self.path, self.source = path, source
        with _believing_nothing():
            members = _zip.read_directory(source)
        self.members = {member.name: member for member in members}
        ends = [member.offset for member in members[1:]] + [source.size]
        self.ends = {m.name: end for m, end in zip(members, ends, strict=True)}
        self.names = self._read_names()
        self.index = {name: i for i, name in enumerate(self.names)}
        held = sum(name.removesuffix(".npy").isdecimal() for name in self.members)
        if len(self.index) != len(self.names) or held != len(self.names):
            raise _Malformed(f"it names {len(self.index)} variables but holds {held}")

    def _read_names(self) -> list[str]:
        array = next(iter(self._read_members([NAMES])))
        if array.size == 0:
            return []
        if array.dtype.kind != "U" or array.ndim != 1:
            raise _Malformed(f"its names are an array of {array.dtype}, {array.ndim}-dimensional")
        points = np.frombuffer(array.astype(array.dtype.newbyteorder("=")), np.uint32)
        if points.max(initial=0) > sys.maxunicode:  # numpy itself would fail with a SystemError
            raise _Malformed("its names are no text")
        return cast("list[str]", array.tolist())

    def read(self, names: Iterable[str]) -> dict[str, Array]:
        """Read the values of some variables, checksums verified.

        Returns:
            An array of its own for each name, writable; the arrays share one allocation.
        """
        wanted = list(names)
        arrays = self._read_members([f"{self.index[name]}.npy" for name in wanted])
        return dict(zip(wanted, arrays, strict=True))

    def place(self, name: str, whole: Array) -> Array:
        """View the value of a variable in the bytes of the whole file, unverified."""
        member = self._member(f"{self.index[name]}.npy")
        with _believing_nothing(f"member {member.name!r}: "):
            header = whole[member.offset : member.offset + _zip.LOCAL.size + len(member.name)]
            start = self._start(member, header.tobytes())
            data = whole[start : start + member.size]
            npy = parse_header(data[: _npy.LONGEST + 12].tobytes())
            return _npy.shaped(data[npy.length :], npy)

    def meta(self) -> dict[str, Any]:
        """Read the plain data stored beside the arrays; empty if there are none."""
        if META not in self.members:
            return {}
        ((data, _),) = self._read_bytes([META])
        with _believing_nothing(f"member {META!r}: "):
            meta: Any = json.loads(data.tobytes().decode("utf-8", "surrogatepass"))
        if not isinstance(meta, dict) or cast("dict[str, Any]", meta).get("ckpt") != VERSION:
            raise _Malformed(f"its {META} is not of version {VERSION}; a newer ckpt wrote it")
        return cast("dict[str, Any]", meta)

    def header(self, name: str) -> _npy.Header:
        """Read what the file says of a variable, without reading its value."""
        member = self._member(f"{self.index[name]}.npy")
        with _believing_nothing(f"member {member.name!r}: "):
            start = self._start(member, self.source.read(member.offset, 512))
            size = min(member.size, _npy.LONGEST + 12)
            header = parse_header(self.source.read(start, size))
            if header.length + header.nbytes != member.size:
                raise ValueError(
                    f"its header claims {header.nbytes} bytes, it holds {member.size}"
                )
        return header

    def _member(self, name: str) -> _zip.Member:
        if name not in self.members:
            raise _Malformed(f"it has no member {name!r}")
        return self.members[name]

    def _start(self, member: _zip.Member, header: bytes) -> int:
        start = _zip.data_start(member, header)
        if start + member.size > self.ends[member.name]:
            raise ValueError(f"it claims {member.size} bytes, more than it has")
        return start

    def _read_bytes(self, names: Sequence[str]) -> Iterator[tuple[Array, _zip.Member]]:
        """Read members into one allocation, never larger than the file; check their sums."""
        members = [self._member(name) for name in names]
        runs = _runs([(m.offset, self.ends[m.name]) for m in members])
        arena = np.empty(sum(run.size for run in runs) + _zip.ALIGN, np.uint8)
        arena = arena[-arena.ctypes.data % _zip.ALIGN :]
        whole = memoryview(cast("Any", arena))
        shift = {begin: run.place - run.begin for run in runs for begin in run.members}
        read_runs(self.source, whole, runs)
        starts: list[int] = []
        for member in members:
            place = member.offset + shift[member.offset]
            with _believing_nothing(f"member {member.name!r}: "):
                header = bytes(whole[place : place + _zip.LOCAL.size + len(member.name)])
                starts.append(self._start(member, header) + shift[member.offset])
        spans = [(start, start + m.size) for start, m in zip(starts, members, strict=True)]
        for member, crc in zip(members, checksums(whole, spans), strict=True):
            if crc != member.crc:
                raise _Malformed(
                    f"member {member.name!r}: its bytes do not have the checksum that it names"
                )
        for member, (start, end) in zip(members, spans, strict=True):
            yield arena[start:end], member

    def _read_members(self, names: Sequence[str]) -> Iterator[Array]:
        for data, member in self._read_bytes(names):
            with _believing_nothing(f"member {member.name!r}: "):
                header = parse_header(data[: _npy.LONGEST + 12].tobytes())
                array = _npy.shaped(data[header.length :], header)
            yield array


@lru_cache(maxsize=1024)
def _parse_header(header: bytes) -> _npy.Header:
    return _npy.decode_header(header)


def parse_header(start: bytes) -> _npy.Header:
    """Read the header at the start of some bytes; equal ones are read once."""
    return _parse_header(start[: _npy.header_length(start[:12])])


@dataclass(slots=True)
class _Run:
    """Members that lie one behind the other, and where they go; alignment is kept."""

    begin: int
    end: int
    place: int
    members: list[int]

    @property
    def size(self) -> int:
        return self.end - self.begin + _zip.ALIGN


def _runs(spans: Sequence[tuple[int, int]]) -> list[_Run]:
    runs: list[_Run] = []
    for begin, end in sorted(set(spans)):
        if runs and runs[-1].end == begin:
            runs[-1].end = end
            runs[-1].members.append(begin)
        else:
            after = runs[-1].place + runs[-1].end - runs[-1].begin if runs else 0
            runs.append(_Run(begin, end, after + (begin - after) % _zip.ALIGN, [begin]))
    return runs


def read_runs(source: _zip.Source, whole: memoryview, runs: Sequence[_Run]) -> None:
    """Read stretches of a file, large ones in pieces by several threads."""
    pieces = [
        (at, whole[run.place + at - run.begin : run.place + min(at + PIECE, run.end) - run.begin])
        for run in runs
        for at in range(run.begin, run.end, PIECE)
    ]

    def read(piece: tuple[int, memoryview]) -> bool:
        return source.read_into(*piece) == len(piece[1])

    if not all(_each(read, pieces, parallel=source.parallel and len(pieces) > 1)):
        raise _Malformed("it was cut off while it was read")


def checksums(whole: memoryview, spans: Sequence[tuple[int, int]]) -> Iterable[int]:
    """The checksums of stretches of memory."""

    def crc(span: tuple[int, int]) -> int:
        return zlib.crc32(whole[span[0] : span[1]])

    large = sum(end - start for start, end in spans) >= PIECE and len(spans) < SMALL_COUNT
    return _each(crc, spans, parallel=large)


def _each(function: Callable[[T], U], items: Sequence[T], *, parallel: bool) -> Iterable[U]:
    if not parallel:
        return map(function, items)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))
