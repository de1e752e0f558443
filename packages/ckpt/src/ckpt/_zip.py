"""The zip format, as far as an uncompressed npz file needs it; the reader trusts nothing.

Byte by byte (PKWARE's APPNOTE.TXT, 4.3 and 4.5). For each member a local header of 30 bytes, its
name, its extra fields, its data; after the last, the central directory with 46 bytes, name and
extra for each; then the end record of 22 bytes, before it the zip64 end record (56) and locator
(20) when 65,535 members or 4 GiB are reached. Written here: method 0 (stored), no flags, the date
1980-01-01, data at a multiple of 64 by the alignment extra ``0xD935``, which Android's zipalign
defined. Read: whatever numpy and objax write too (flag bit 3, local sizes unknown), found by the
central directory.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
ENCRYPTED, SIZES_FOLLOW, UTF8 = 0x1, 0x8, 0x800


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a zip file: where its data lie, and their checksum."""

    name: str
    offset: int
    """Where its local header begins."""
    start: int
    """Where its data begin; in a file being read, -1 until the local header was read."""
    size: int
    crc: int = 0


def lay_out(sizes: Sequence[tuple[str, int]]) -> tuple[list[Member], int]:
    """Place members of known sizes; the members, and where the central directory begins."""
    members: list[Member] = []
    offset = 0
    for name, size in sizes:
        bare = offset + LOCAL.size + len(name) + (20 if size >= MAX32 else 0)
        gap = -bare % ALIGN
        start = bare + (gap if gap == 0 or gap >= PAD.size else gap + ALIGN)
        members.append(Member(name, offset, start, size))
        offset = start + size
    return members, offset


def local_header(member: Member, crc: int) -> bytes:
    """Everything of a member that precedes its data."""
    name = member.name.encode("ascii")
    large = member.size >= MAX32
    extra = struct.pack("<2H2Q", 1, 16, member.size, member.size) if large else b""
    gap = member.start - member.offset - LOCAL.size - len(name) - len(extra)
    if gap:
        extra += PAD.pack(0xD935, gap - 4, ALIGN) + bytes(gap - PAD.size)
    version, size = (ZIP64_VERSION, MAX32) if large else (PLAIN_VERSION, member.size)
    sizes = (size, size, len(name), len(extra))
    return LOCAL.pack(b"PK\3\4", version, 0, 0, 0, DATE, crc, *sizes) + name + extra


def directory(members: Sequence[Member], crcs: Sequence[int], start: int) -> bytes:
    """Everything that follows the data of the last member."""
    out = bytearray()
    for member, crc in zip(members, crcs, strict=True):
        wide = [n for n in (member.size, member.size, member.offset) if n >= MAX32]
        extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        version = ZIP64_VERSION if wide else PLAIN_VERSION
        size, offset = min(member.size, MAX32), min(member.offset, MAX32)
        name = member.name.encode("ascii")
        out += CENTRAL.pack(
            b"PK\1\2", UNIX | version, version, 0, 0, 0, DATE, crc, size, size,
            len(name), len(extra), 0, 0, 0, MODE, offset,
        )  # fmt: skip
        out += name + extra
    count, size = len(members), len(out)
    if count >= MAX16 or size >= MAX32 or start >= MAX32:
        versions = (UNIX | ZIP64_VERSION, ZIP64_VERSION)
        out += END64.pack(b"PK\6\6", 44, *versions, 0, 0, count, count, size, start)
        out += LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    few = min(count, MAX16)
    out += END.pack(b"PK\5\6", 0, 0, few, few, min(size, MAX32), min(start, MAX32), 0)
    return bytes(out)


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


def read_directory(source: Source) -> list[Member]:
    """Find the members of a zip file, in the order of their data.

    No size is believed that the file itself does not bear out, so nothing that is later
    allocated for a member is larger than the file.

    Raises:
        ValueError: It is no whole zip file of stored members; the message says why.
    """
    try:
        count, size, offset, base = _find_directory(source)
        data = source.read(base + offset, size)
        if len(data) != size:
            raise ValueError("it ends within its list of members")
        members = sorted(_entries(data, count, base), key=lambda member: member.offset)
    except struct.error as error:
        raise ValueError("its list of members is damaged") from error
    if len({member.name for member in members}) != count:
        raise ValueError("two of its members have the same name")
    ends = [member.offset for member in members[1:]] + [base + offset]
    for member, end in zip(members, ends, strict=True):
        if member.offset + LOCAL.size + len(member.name) + member.size > end:
            raise ValueError(
                f"member {member.name!r} claims {member.size} bytes, more than it has"
            )
    return members


def _find_directory(source: Source) -> tuple[int, int, int, int]:
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
    if base < 0 or count * CENTRAL.size > size:
        raise ValueError("its end record contradicts its size")
    return count, size, offset, base


def _zip64_end(source: Source, locator: bytes, end: int) -> int:
    _, disk, offset, disks = LOCATOR.unpack(locator)
    # As zipfile does: the record stands right before its locator, whatever precedes the archive.
    start = end - END64.size
    if disk or disks != 1 or offset > start or source.read(max(start, 0), 4) != b"PK\6\6":
        raise ValueError("its zip64 end record is not where it is said to be")
    return start


def _entries(data: bytes, count: int, base: int) -> Iterator[Member]:
    at = 0
    for _ in range(count):
        if at + CENTRAL.size > len(data):
            raise ValueError("its list of members is too short")
        fields = CENTRAL.unpack_from(data, at)
        magic, _, _, flags, method, _, _, crc, packed, size = fields[:10]
        name_size, extra_size, comment_size = fields[10:13]
        offset = fields[16]
        at += CENTRAL.size
        raw = data[at : at + name_size]
        extra = data[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        name = raw.decode("utf-8" if flags & UTF8 or raw.isascii() else "cp437", "replace")
        if magic != b"PK\1\2" or at > len(data):
            raise ValueError("its list of members is damaged")
        if MAX32 in (packed, size, offset):
            size, packed, offset = _widen(extra, size, packed, offset)
        if flags & ENCRYPTED or method != 0 or packed != size:
            raise ValueError(f"member {name!r} is compressed or encrypted")
        yield Member(name, base + offset, -1, size, crc)
    if at != len(data):
        raise ValueError("its list of members is too long")


def _widen(extra: bytes, *fields: int) -> list[int]:
    """Take the fields that 32 bits do not hold from the zip64 extra."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra[: at + 4 + length], at + 4))
            return [next(wide, MAX32) if field == MAX32 else field for field in fields]
        at += 4 + length
    return list(fields)


def data_start(member: Member, header: bytes) -> int:
    """Where a member's data begin, from its local header, which must agree with the directory.

    Args:
        member: The member as the central directory has it.
        header: The bytes from ``member.offset``: at least 30 and the name's.

    Raises:
        ValueError: The two do not agree.
    """
    if len(header) < LOCAL.size or header[:4] != b"PK\3\4":
        raise ValueError(f"member {member.name!r} is not where it is said to be")
    _, _, flags, method, _, _, crc, packed, _, name_size, extra_size = LOCAL.unpack_from(header)
    name = header[LOCAL.size : LOCAL.size + name_size]
    plain = name.decode() if name.isascii() else name.decode("cp437")
    agrees = flags & SIZES_FOLLOW or (crc == member.crc and packed in (member.size, MAX32))
    if method != 0 or not agrees or plain != member.name:
        raise ValueError(f"member {member.name!r} is described in two ways")
    return member.offset + LOCAL.size + len(name) + int(extra_size)
