"""The zip format, as far as an uncompressed npz file needs it: where everything goes.

Byte by byte (PKWARE's APPNOTE.TXT, 4.3 and 4.5). For each member a local header of 30 bytes, its
name, its extra fields, its data; after the last, the central directory with 46 bytes, name and
extra for each; then the end record of 22 bytes, before it the zip64 end record (56) and locator
(20) when 65,535 members or 4 GiB are reached. Written here: method 0 (stored), no flags, the date
1980-01-01, data at a multiple of 64 by the alignment extra ``0xD935``, which Android's zipalign
defined. Reading is :mod:`ckpt._directory`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ALIGN = 64
PAD = struct.Struct("<3H")
LOCAL = struct.Struct("<4s5H3I2H")
ENTRY = np.dtype(
    [
        *(("magic", "S4"), ("by", "<u2"), ("needs", "<u2"), ("flags", "<u2"), ("method", "<u2")),
        *(("time", "<u2"), ("date", "<u2"), ("crc", "<u4"), ("packed", "<u4"), ("size", "<u4")),
        *(("name", "<u2"), ("extra", "<u2"), ("comment", "<u2"), ("disk", "<u2")),
        *(("kind", "<u2"), ("mode", "<u4"), ("offset", "<u4")),
    ]
)
"""An entry of the central directory; its name, extra and comment follow."""
END = struct.Struct("<4s4H2IH")
END64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR = struct.Struct("<4sIQI")
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF
PLAIN_VERSION, ZIP64_VERSION = 20, 45
UNIX = 3 << 8
MODE = 0o100644 << 16
DATE = 0x0021  # 1980-01-01: the clock must not change the bytes
CRC_AT = 14
"""Where in a local header the checksum is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the members of a zip file lie, one behind the other; a column for each property."""

    names: list[bytes]
    offsets: list[int]
    """Where the local header of each begins."""
    starts: list[int]
    """Where its data begin."""
    stops: list[int]
    """Where they end, and the next member begins."""

    @property
    def end(self) -> int:
        """Where the central directory begins."""
        return self.stops[-1] if self.stops else 0

    def size(self, row: int) -> int:
        """Bytes of the data of a member."""
        return self.stops[row] - self.starts[row]


def lay_out(names: list[bytes], sizes: Sequence[int]) -> Layout:
    """Place members of known sizes."""
    size = np.array(sizes, np.int64)
    # Data begin at a multiple of 64, so the gap before the next depends on their size alone.
    before = np.concatenate([np.zeros(1, np.int64), size])[:-1]
    bare = np.fromiter(map(len, names), np.int64, len(names)) + np.where(size >= MAX32, 50, 30)
    gap = -(before + bare) % ALIGN
    gap += np.where((gap > 0) & (gap < PAD.size), ALIGN, 0)
    starts = np.cumsum(before + bare + gap)
    offsets = starts - bare - gap
    return Layout(names, offsets.tolist(), starts.tolist(), (starts + size).tolist())


def local_headers(layout: Layout, rows: range, crcs: Iterable[int]) -> Iterator[bytes]:
    """Everything of each member that precedes its data."""
    begin, end = rows.start, rows.stop
    names, offsets = layout.names[begin:end], layout.offsets[begin:end]
    starts, stops = layout.starts[begin:end], layout.stops[begin:end]
    for name, offset, start, stop, crc in zip(names, offsets, starts, stops, crcs, strict=True):
        before, sizes, extra = _around(stop - start, len(name), start - offset)
        yield b"%b%b%b%b%b" % (before, crc.to_bytes(4, "little"), sizes, name, extra)


@lru_cache(maxsize=1024)
def _around(size: int, length: int, whole: int) -> tuple[bytes, bytes, bytes]:
    """What of a local header is before its checksum, its name, its end; alike for many members."""
    version, extra = PLAIN_VERSION, b""
    if size >= MAX32:
        version, extra = ZIP64_VERSION, struct.pack("<2H2Q", 1, 16, size, size)
        size = MAX32
    gap = whole - LOCAL.size - length - len(extra)
    if gap:
        extra += PAD.pack(0xD935, gap - 4, ALIGN) + bytes(gap - PAD.size)
    before = struct.pack("<4s5H", b"PK\3\4", version, 0, 0, 0, DATE)
    return before, struct.pack("<2I2H", size, size, length, len(extra)), extra


def directory(layout: Layout, crcs: Sequence[int]) -> bytes:
    """Everything that follows the data of the last member."""
    offsets = np.array(layout.offsets, np.int64)
    sizes = np.array(layout.stops, np.int64) - layout.starts
    large = (sizes >= MAX32) | (offsets >= MAX32)
    entries = np.zeros(len(crcs), ENTRY)
    entries["magic"], entries["mode"], entries["date"] = b"PK\1\2", MODE, DATE
    entries["needs"] = np.where(large, ZIP64_VERSION, PLAIN_VERSION)
    entries["by"] = UNIX | entries["needs"]
    entries["crc"], entries["offset"] = crcs, np.minimum(offsets, MAX32)
    entries["packed"] = entries["size"] = np.minimum(sizes, MAX32)
    entries["name"] = np.fromiter(map(len, layout.names), np.uint16, len(crcs))
    extras = [b""] * len(crcs)
    for row in np.flatnonzero(large).tolist():
        size, offset = layout.size(row), layout.offsets[row]
        wide = [n for n in (size, size, offset) if n >= MAX32]
        extras[row] = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide)
        entries["extra"][row] = len(extras[row])
    fixed = entries.tobytes()
    cuts = range(0, len(fixed), ENTRY.itemsize)
    heads = [fixed[at : at + ENTRY.itemsize] for at in cuts]
    text = b"".join(chain.from_iterable(zip(heads, layout.names, extras, strict=True)))
    return text + _end(len(crcs), len(text), layout.end)


def _end(count: int, size: int, start: int) -> bytes:
    out = b""
    if count >= MAX16 or size >= MAX32 or start >= MAX32:
        versions = (UNIX | ZIP64_VERSION, ZIP64_VERSION)
        out += END64.pack(b"PK\6\6", 44, *versions, 0, 0, count, count, size, start)
        out += LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    few = min(count, MAX16)
    return out + END.pack(b"PK\5\6", 0, 0, few, few, min(size, MAX32), min(start, MAX32), 0)
