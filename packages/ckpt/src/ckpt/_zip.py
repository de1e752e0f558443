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
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALIGN = 64
PAD = struct.Struct("<3H")
LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
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
PLAIN_START, LARGE_START = (
    struct.pack("<4s5H", b"PK\3\4", version, 0, 0, 0, DATE)
    for version in (PLAIN_VERSION, ZIP64_VERSION)
)


class Member(NamedTuple):
    """One member of a zip file: where its data lie."""

    name: str
    offset: int
    """Where its local header begins."""
    start: int
    """Where its data begin."""
    size: int


def lay_out(sizes: Iterable[tuple[str, int]]) -> tuple[list[Member], int]:
    """Place members of known sizes; the members, and where the central directory begins."""
    members: list[Member] = []
    offset = 0
    for name, size in sizes:
        bare = offset + 30 + len(name) + (20 if size >= MAX32 else 0)
        gap = -bare % ALIGN
        start = bare + (gap if gap == 0 or gap >= 6 else gap + ALIGN)  # noqa: PLR2004 -- PAD.size
        members.append(Member(name, offset, start, size))
        offset = start + size
    return members, offset


def local_header(member: Member, crc: int) -> bytes:
    """Everything of a member that precedes its data."""
    raw, offset, start, size = member
    sizes, extra = _sizes_and_extra(size, len(raw), start - offset - 30 - len(raw))
    before = LARGE_START if size >= MAX32 else PLAIN_START
    return b"".join((before, crc.to_bytes(4, "little"), sizes, raw.encode("ascii"), extra))


@lru_cache(maxsize=1024)
def _sizes_and_extra(size: int, length: int, gap: int) -> tuple[bytes, bytes]:
    """What stands before a name, from the size on, and what after it; alike for many members."""
    extra = b""
    if size >= MAX32:
        extra = struct.pack("<2H2Q", 1, 16, size, size)
        size = MAX32
    gap -= len(extra)
    if gap:
        extra += PAD.pack(0xD935, gap - 4, ALIGN) + bytes(gap - 6)
    return struct.pack("<2I2H", size, size, length, len(extra)), extra


def directory(members: Sequence[Member], crcs: Sequence[int], start: int) -> bytes:
    """Everything that follows the data of the last member."""
    parts: list[bytes] = []
    pack = CENTRAL.pack
    for (raw, offset, _, size), crc in zip(members, crcs, strict=True):
        name = raw.encode("ascii")
        extra, version = b"", PLAIN_VERSION
        short, near = size, offset
        if size >= MAX32 or offset >= MAX32:
            wide = [n for n in (size, size, offset) if n >= MAX32]
            extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide)
            short, near, version = min(size, MAX32), min(offset, MAX32), ZIP64_VERSION
        parts += (
            pack(
                b"PK\1\2", UNIX | version, version, 0, 0, 0, DATE, crc, short, short,
                len(name), len(extra), 0, 0, 0, MODE, near,
            ),
            name,
            extra,
        )  # fmt: skip
    entries = b"".join(parts)
    return entries + _end(len(members), len(entries), start)


def _end(count: int, size: int, start: int) -> bytes:
    out = b""
    if count >= MAX16 or size >= MAX32 or start >= MAX32:
        versions = (UNIX | ZIP64_VERSION, ZIP64_VERSION)
        out += END64.pack(b"PK\6\6", 44, *versions, 0, 0, count, count, size, start)
        out += LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    few = min(count, MAX16)
    return out + END.pack(b"PK\5\6", 0, 0, few, few, min(size, MAX32), min(start, MAX32), 0)
