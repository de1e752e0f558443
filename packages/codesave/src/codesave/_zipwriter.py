"""Write a zip file whose bytes depend on names and contents only.

The format is PKWARE's APPNOTE 6.3.3: local headers and data in the order of the names, then the
central directory; zip64 records where a size or an offset needs them. Every member is dated
1980-01-01, made on Unix, mode 0644 or 0755 (folders 0755), its name in UTF-8. The standard
library's :mod:`zipfile` writes the same format, but can neither compress in several threads nor
take over a member that is compressed already.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

STORED, DEFLATED = 0, 8
LEVEL = 5
"""zlib's level where none is asked for: beside its own default, 6, code becomes half a percent
larger and takes a seventh less time."""
_DATE_1980 = 0x21  # 1980-01-01 as MS-DOS counts
_UTF8_NAME = 0x800
_BIG = 0xFFFFFFFF
_MANY = 0xFFFF
_WRITE = 1 << 20
"""Bytes that are written at once."""
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")


class Packed(NamedTuple):
    """A member's contents as they lie in the zip."""

    method: int
    crc: int
    size: int
    """Bytes before compression."""
    packed_size: int


def compress(data: bytes, level: int) -> tuple[Packed, bytes]:
    """Compress a member's contents, or leave them as they are where that gains nothing."""
    crc = zlib.crc32(data)
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    packed = deflate.compress(data) + deflate.flush()
    if len(packed) < len(data):
        return Packed(DEFLATED, crc, len(data), len(packed)), packed
    return Packed(STORED, crc, len(data), len(data)), data


class ZipWriter:
    """Append members to a seekable file; :meth:`finish` makes it a zip."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = self._end = file.tell()
        """Where the member being written begins, and where what was written ends."""
        self._central: list[bytes] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def add(self, name: str, packed: Packed, data: bytes, *, executable: bool = False) -> None:
        """Append a member whose contents are at hand, compressed already."""
        self._write(local_header(name, packed) + data)
        self._add_central(name, packed, executable=executable)

    def add_packed(
        self, name: str, packed: Packed, chunks: Iterable[bytes], *, executable: bool = False
    ) -> None:
        """Append a member of any length whose bytes are packed already."""
        self._write(local_header(name, packed, streamed=True))
        for chunk in chunks:
            self._write(chunk)
        self._add_central(name, packed, executable=executable)

    def add_stream(
        self, name: str, chunks: Iterable[bytes], level: int, *, executable: bool = False
    ) -> Packed:
        """Append a member of any length, holding one chunk in memory at a time.

        If the chunks raise, the member is not there.
        """
        self._write(local_header(name, Packed(DEFLATED, 0, 0, 0), streamed=True))
        deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
        crc = size = packed_size = 0
        try:
            for chunk in chunks:
                crc = zlib.crc32(chunk, crc)
                size += len(chunk)
                packed_size += self._write(deflate.compress(chunk))
        except BaseException:
            self._flush()
            self._file.seek(self._start)
            self._file.truncate()
            self._end = self._start
            raise
        packed_size += self._write(deflate.flush())
        self._flush()
        packed = Packed(DEFLATED, crc, size, packed_size)
        self._file.seek(self._start)
        self._file.write(local_header(name, packed, streamed=True))
        self._file.seek(self._end)
        self._add_central(name, packed, executable=executable)
        return packed

    def add_folder(self, name: str) -> None:
        """Append a folder; ``name`` ends in a slash."""
        self.add(name, Packed(STORED, 0, 0, 0), b"")

    def sync(self) -> int:
        """Put all members into the file; where the next one will begin is returned."""
        self._flush()
        return self._end

    def finish(self) -> None:
        """Write the central directory."""
        self._flush()
        start, entries = self._end, len(self._central)
        size = self._file.write(b"".join(self._central))
        if entries >= _MANY or start >= _BIG or size >= _BIG:
            where = start + size
            self._file.write(
                _END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, start)
            )
            self._file.write(_LOCATOR64.pack(b"PK\6\7", 0, where, 1))
        count = min(entries, _MANY)
        self._file.write(
            _END.pack(b"PK\5\6", 0, 0, count, count, min(size, _BIG), min(start, _BIG), 0)
        )

    def _write(self, data: bytes) -> int:
        self._end += len(data)
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= _WRITE:
            self._flush()
        return len(data)

    def _flush(self) -> None:
        """Write what waits: thousands of small writes would take a fifth of a checkpoint."""
        self._file.write(b"".join(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0

    def _add_central(self, name: str, packed: Packed, *, executable: bool) -> None:
        raw = name.encode("utf-8")
        folder = name.endswith("/")
        mode = 0o40755 if folder else 0o100755 if executable else 0o100644
        size, packed_size, offset = packed.size, packed.packed_size, self._start
        version, extra = 20, b""
        if max(size, packed_size, offset) >= _BIG:
            big = [value for value in (size, packed_size, offset) if value >= _BIG]
            version, extra = 45, struct.pack(f"<2H{len(big)}Q", 1, 8 * len(big), *big)
            size, packed_size, offset = min(size, _BIG), min(packed_size, _BIG), min(offset, _BIG)
        head = (3 << 8 | version, version, _UTF8_NAME, packed.method, 0, _DATE_1980, packed.crc)
        tail = (packed_size, size, len(raw), len(extra), 0, 0, 0)
        attributes = mode << 16 | (0x10 if folder else 0)
        self._central.append(
            _CENTRAL.pack(b"PK\1\2", *head, *tail, attributes, offset) + raw + extra
        )
        self._start = self._end


def local_header(name: str, packed: Packed, *, streamed: bool = False) -> bytes:
    """What stands before a member's packed bytes.

    Args:
        name: The member's.
        packed: What is said of its contents.
        streamed: Whether it was written by ``add_stream`` or ``add_packed``.
    """
    raw = name.encode("utf-8")
    # A stream's sizes are not known when its header is laid out, so it always has room.
    extra = b""
    sizes = (packed.packed_size, packed.size)
    if streamed or max(sizes) >= _BIG:
        extra = struct.pack("<2H2Q", 1, 16, packed.size, packed.packed_size)
        sizes = (_BIG, _BIG)
    version = 45 if extra else 20
    head = (version, _UTF8_NAME, packed.method, 0, _DATE_1980, packed.crc, *sizes)
    return _LOCAL.pack(b"PK\3\4", *head, len(raw), len(extra)) + raw + extra
