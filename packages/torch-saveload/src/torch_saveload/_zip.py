"""Write the stored members of a zip, the way torch lays them out.

Every member is stored (method 0) below the folder ``archive/``, dated 1980, with its CRC-32, and
its data begins at a multiple of 64 bytes: the extra field of the local header is padded by a field
``FB``, as torch's own writer does. Sizes and offsets past 4 GiB take the Zip64 form. torch finds a
record by its name after the first slash; other tools see an ordinary zip.

Reading is :mod:`torch_saveload._unzip`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from expcore import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._bytes import Buffer, Sink

ALIGNMENT = 64
BLOCK_BYTES = 4096
_LIMIT = 0xFFFFFFFF
_LIMIT_COUNT = 0xFFFF
_MANY = 1 << 20
_DATE_1980 = 0x21
_UTF8 = 0x800
_CRC_AT = 14
_FACTS = struct.Struct("<HHHHHIIIH").pack
_PLACE = struct.Struct("<HHHHII").pack
_SHORT = struct.Struct("<H").pack
_PADDINGS = [b"FB" + _SHORT(count) + b"Z" * count for count in range(ALIGNMENT)]


class ZipWriter:
    """Write members one after another to a file opened for writing."""

    def __init__(self, file: Sink) -> None:
        self._file = file
        self._at = 0
        self._directory: list[bytes] = []
        self._small: list[bytes] = []
        """What is still to be written: one write of many is faster than many of one."""
        self._waiting = 0
        self._block = b""
        """What was written since the last multiple of a block."""

    def add(self, name: str, *pieces: bytes) -> int:
        """Write one member.

        Args:
            name: Its name below ``archive/``.
            pieces: Its bytes, in any number of parts.

        Returns:
            Where its data begins, in bytes from the start of the file.
        """
        size, crc = 0, 0
        for piece in pieces:
            size += len(piece)
            crc = crc32(piece, crc)
        local, listed = self._headers(b"archive/" + name.encode(), size, crc)
        self._small += (local, *pieces)
        self._directory.append(listed)
        start = self._at + len(local)
        self._at = start + size
        self._waiting += size
        if self._waiting >= _MANY:
            self._flush()
        return start

    def add_large(
        self, name: str, size: int, pieces: Iterable[Buffer]
    ) -> tuple[int, tuple[int, bytes]]:
        """Write one member whose bytes are made while it is written.

        Its checksum stands before them: the blocks that it is in are given back with it, to be
        written once more at the end. Nothing has to be read for that.

        Args:
            name: Its name below ``archive/``.
            size: How many bytes there will be; at least two blocks.
            pieces: The bytes. Each buffer is done with when the next one is asked for.

        Returns:
            Where its data begins, and the place and bytes of the blocks.
        """
        path = b"archive/" + name.encode()
        self._flush()
        header, _ = self._headers(path, size, 0)
        blocks, begin = bytearray(self._block + header), self._at - len(self._block)
        checksum = len(self._block) + _CRC_AT
        self._put(header)
        crc = 0
        for piece in pieces:
            if missing := -len(blocks) % BLOCK_BYTES:
                blocks += piece[:missing]
            crc = crc32(piece, crc)
            self._put(piece)
        blocks[checksum : checksum + 4] = crc.to_bytes(4, "little")
        self._directory.append(self._headers(path, size, crc)[1])
        start = self._at + len(header)
        self._at = start + size
        return start, (begin, bytes(blocks))

    def close(self) -> None:
        """Write the directory; the file is a zip from here on."""
        start, count = self._at, len(self._directory)
        listing = b"".join(self._directory)
        end = start + len(listing)
        self._small.append(listing)
        if count >= _LIMIT_COUNT or end >= _LIMIT:
            self._small += (
                b"PK\x06\x06",
                struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(listing), start),
                b"PK\x06\x07",
                struct.pack("<IQI", 0, end, 1),
            )
        few, size, at = min(count, _LIMIT_COUNT), min(len(listing), _LIMIT), min(start, _LIMIT)
        self._small.append(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, few, few, size, at, 0))
        self._flush()

    def _headers(self, path: bytes, size: int, crc: int) -> tuple[bytes, bytes]:
        """Return what stands before the data of a member that begins here, and its listing."""
        at, shown = self._at, min(size, _LIMIT)
        big = struct.pack("<HHQQ", 1, 16, size, size) if size >= _LIMIT else b""
        padding = _PADDINGS[-(at + 34 + len(path) + len(big)) % ALIGNMENT]
        facts = _FACTS(45 if big else 0, _UTF8, 0, 0, _DATE_1980, crc, shown, shown, len(path))
        extra = _SHORT(len(big) + len(padding))
        local = b"".join((b"PK\x03\x04", facts, extra, path, big, padding))
        listed, made_by = b"", b"\x00\x00"
        if big or at >= _LIMIT:
            numbers = ([size, size] if big else []) + ([at] if at >= _LIMIT else [])
            listed = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
            made_by = b"\x2d\x00"
        place = _PLACE(len(listed), 0, 0, 0, 0, min(at, _LIMIT))
        return local, b"".join((b"PK\x01\x02", made_by, facts, place, path, listed))

    def _flush(self) -> None:
        self._put(b"".join(self._small))
        self._small.clear()
        self._waiting = 0

    def _put(self, data: Buffer) -> None:
        """Write, and keep the beginning of the block that is not full yet."""
        self._file.write(data)
        begun = len(self._block) + len(data)
        rest = begun % BLOCK_BYTES
        self._block = (self._block + bytes(data[-BLOCK_BYTES:]))[-rest:] if rest else b""
