"""Find the members of a zip file; nothing that the file says is trusted.

Read is whatever numpy and objax write too (flag bit 3, local sizes unknown), found by the central
directory, whose entries :mod:`ckpt._entries` reads.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from ckpt._entries import read_entries, shown
from ckpt._zip import END, END64, ENTRY, LOCAL, LOCATOR, MAX16, MAX32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from ckpt._dtypes import Array

SIZES_FOLLOW = 0x8
HEAD = np.dtype(
    {
        "names": ["magic", "flags", "method", "crc", "packed", "name", "extra"],
        "formats": ["S4", "<u2", "<u2", "<u4", "<u4", "<u2", "<u2"],
        "offsets": [0, 6, 8, 14, 18, 26, 28],
        "itemsize": LOCAL.size,
    }
)  # as LOCAL


class Source(Protocol):
    """Bytes at offsets."""

    size: int
    parallel: bool
    """Whether several threads may read at once."""

    def read(self, offset: int, length: int) -> bytes:
        """Read that many bytes; fewer mean that the file ends there."""
        ...

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer; the number of bytes that the file had for it."""
        ...


@dataclass(frozen=True, slots=True)
class Directory:
    """The members of a file, in the order of their data; a column for each property."""

    names: list[bytes]
    rows: dict[bytes, int]
    """The place of each name in the columns."""
    table: Array
    """Offsets, sizes, checksums and ends, as ``int64``; the columns below are its rows."""
    offsets: Sequence[int]
    """Where the local header of each begins."""
    sizes: Sequence[int]
    crcs: Sequence[int]
    ends: Sequence[int]
    """Where what follows each begins."""

    def data_starts(self, first: int, count: int, memory: Array, shift: int) -> Array:
        """Where in memory the data of consecutive members begin; see :meth:`data_start`.

        Args:
            first: The first of the members.
            count: How many.
            memory: Has all of them.
            shift: From an offset in the file to the place in memory.

        Raises:
            ValueError: A local header does not agree with the directory.
        """
        offsets, sizes, crcs, ends = self.table[:, first : first + count]
        names = self.names[first : first + count]
        at = offsets + shift
        heads = memory[at[:, None] + np.arange(LOCAL.size)].view(HEAD)[:, 0]
        known, packed = heads["crc"] == crcs, heads["packed"]
        agrees = (heads["flags"] & SIZES_FOLLOW != 0) | (
            known & ((packed == sizes) | (packed == MAX32))
        )
        lengths = np.fromiter(map(len, names), np.int64, count)
        starts = at + LOCAL.size + lengths + heads["extra"]
        good = agrees & (heads["magic"] == b"PK\3\4") & (heads["method"] == 0)
        good &= (heads["name"] == lengths) & (starts + sizes <= ends + shift)
        for length in set(map(len, names)):
            alike = np.flatnonzero(lengths == length)
            expected = b"".join([names[i] for i in alike.tolist()])
            found = memory[at[alike][:, None] + np.arange(LOCAL.size, LOCAL.size + length)]
            good[alike] &= (found == np.frombuffer(expected, np.uint8).reshape(-1, length)).all(1)
        for i in np.flatnonzero(~good).tolist():
            self.data_start(first + i, memoryview(cast("Any", memory)), int(at[i]))  # says why
        return cast("Array", starts)

    def find_data(self, row: int, source: Source) -> int:
        """Where in the file a member's data begin; see :meth:`data_start`.

        Raises:
            ValueError: The local header does not agree with the directory.
        """
        at, length = self.offsets[row], LOCAL.size + len(self.names[row])
        header = source.read(at, length)
        if len(header) < length:
            raise ValueError("it was cut off while it was read")
        return at + self.data_start(row, header)

    def data_start(self, row: int, buffer: Buffer, at: int = 0) -> int:
        """Where a member's data begin, from its local header, which must agree with the directory.

        Args:
            row: Which member.
            buffer: Has the local header, and the name.
            at: Where in the buffer.

        Returns:
            The offset from that of the local header.

        Raises:
            ValueError: The two do not agree.
        """
        name = self.names[row]
        _, _, flags, method, _, _, crc, packed, _, length, extra = LOCAL.unpack_from(buffer, at)
        head = bytes(memoryview(buffer)[at : at + LOCAL.size + length])
        if head[:4] != b"PK\3\4":
            raise ValueError(f"member {shown(name)} is not where it is said to be")
        agrees = flags & SIZES_FOLLOW or (
            crc == self.crcs[row] and packed in (self.sizes[row], MAX32)
        )
        if method or not agrees or head[LOCAL.size :] != name:
            raise ValueError(f"member {shown(name)} is described in two ways")
        start: int = LOCAL.size + length + extra
        if self.offsets[row] + start + self.sizes[row] > self.ends[row]:
            raise ValueError(
                f"member {shown(name)} claims {self.sizes[row]} bytes, more than it has"
            )
        return start

    def check(self, row: int, crc: int) -> None:
        """Compare the checksum of a member's data with the one that the directory has.

        Raises:
            ValueError: It is another.
        """
        if crc != self.crcs[row]:
            name = shown(self.names[row])
            raise ValueError(f"member {name}: its bytes do not have the checksum that it names")


def read_directory(source: Source) -> Directory:
    """Find the members of a zip file.

    No size is believed that the file itself does not bear out, so nothing that is later
    allocated for a member is larger than the file.

    Raises:
        ValueError: It is no whole zip file of stored members; the message says why.
    """
    try:
        count, size, offset, base = _find(source)
        data = source.read(base + offset, size)
        if len(data) != size:
            raise ValueError("it ends within its list of members")
        names, table = read_entries(data, count)
    except struct.error as error:
        raise ValueError("its list of members is damaged") from error
    table[0] += base
    if (table[0, 1:] < table[0, :-1]).any():
        order = np.argsort(table[0], kind="stable")
        table = table[:, order]
        names = [names[i] for i in order.tolist()]
    offsets, sizes, _, lengths = table
    rows = dict(zip(names, range(count), strict=True))
    if len(rows) != count:
        raise ValueError("two of its members have the same name")
    # Compared so that no sum can overflow: sizes and offsets may be any number of 63 bits.
    least = LOCAL.size + lengths
    ends = table[3]
    ends[:-1], ends[-1:] = offsets[1:], base + offset
    short = (offsets < 0) | (sizes > ends - offsets - least)
    if short.any():
        row = int(short.argmax())
        raise ValueError(f"member {shown(names[row])} claims {sizes[row]} bytes, more than it has")
    columns = [memoryview(column) for column in table]
    return Directory(names, rows, table, *columns)


def _find(source: Source) -> tuple[int, int, int, int]:
    """How many members there are, size and offset of the directory, bytes before the zip."""
    if source.size == 0:
        raise ValueError("it is empty")
    tail_start = max(0, source.size - END.size - MAX16)
    tail = source.read(max(tail_start, source.size - 4096), 4096)
    at = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - END.size + 4))
    if at < 0:
        tail = source.read(tail_start, END.size + MAX16)
        at = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - END.size + 4))
    if at < 0:
        raise ValueError("it has no list of members at its end: it is cut off, or no npz file")
    _, disk, disks, _, count, size, offset, comment = END.unpack_from(tail, at)
    end = source.size - len(tail) + at
    if disk or disks or end + END.size + comment != source.size:
        raise ValueError("its end record does not end it")
    locator = source.read(end - LOCATOR.size, LOCATOR.size) if end >= LOCATOR.size else b""
    if locator[:4] == b"PK\6\7":
        end = _zip64_end(source, locator, end - LOCATOR.size)
        _, _, _, _, disk, disks, _, count, size, offset = END64.unpack(
            source.read(end, END64.size)
        )
    base = end - size - offset
    if base < 0 or count * ENTRY.itemsize > size:
        raise ValueError("its end record contradicts its size")
    return count, size, offset, base


def _zip64_end(source: Source, locator: bytes, end: int) -> int:
    _, disk, offset, disks = LOCATOR.unpack(locator)
    # As zipfile does: the record stands right before its locator, whatever precedes the archive.
    start = end - END64.size
    if disk or disks != 1 or offset > start or source.read(max(start, 0), 4) != b"PK\6\6":
        raise ValueError("its zip64 end record is not where it is said to be")
    return start
