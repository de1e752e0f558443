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
    from ._bytes import Buffer, Sink

ALIGNMENT = 64
_LIMIT = 0xFFFFFFFF
_LIMIT_COUNT = 0xFFFF
_SMALL = 64 << 10
_MANY = 1 << 20
_DATE_1980 = 0x21
_UTF8 = 0x800
_TWO_SHORTS = struct.Struct("<HH").pack
_COMMON = struct.Struct("<HHHHHIII").pack
_ENTRY = struct.Struct("<HHHHHII").pack
_PADDINGS = [b"FB" + _TWO_SHORTS(count, 0)[:2] + b"Z" * count for count in range(ALIGNMENT)]


class ZipWriter:
    """Write members one after another to a file opened for writing."""

    def __init__(self, file: Sink) -> None:
        self._file = file
        self._at = 0
        self._directory: list[bytes] = []
        self._small: list[bytes] = []
        """Copies that are still to be written: one write of many is faster than many of one."""
        self._waiting = 0

    def add(self, name: str, *pieces: Buffer) -> int:
        """Write one member.

        Args:
            name: Its name below ``archive/``.
            pieces: Its bytes, in any number of buffers.

        Returns:
            Where its data begins, in bytes from the start of the file.
        """
        path = f"archive/{name}".encode()
        size, crc = 0, 0
        for piece in pieces:
            size += len(piece)
            crc = crc32(piece, crc)
        header = self._at
        big = struct.pack("<HHQQ", 1, 16, size, size) if size >= _LIMIT else b""
        start = header + 30 + len(path) + len(big) + 4
        padding = -start % ALIGNMENT
        extra = big + _PADDINGS[padding]
        shown = min(size, _LIMIT)
        common = _COMMON(45 if big else 0, _UTF8, 0, 0, _DATE_1980, crc, shown, shown)
        lengths = _TWO_SHORTS(len(path), len(extra))
        large, small = (pieces, ()) if size >= _SMALL else ((), pieces)
        self._small.append(b"".join((b"PK\x03\x04", common, lengths, path, extra, *small)))
        self._waiting += size
        if large or self._waiting >= _MANY:
            self._flush()
        for piece in large:
            self._file.write(piece)
        self._at = start + padding + size
        listed, made_by = b"", b"\x00\x00"
        if big or header >= _LIMIT:
            values = ([size, size] if big else []) + ([header] if header >= _LIMIT else [])
            listed = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)
            made_by = b"\x2d\x00"
        place = _ENTRY(len(path), len(listed), 0, 0, 0, 0, min(header, _LIMIT))
        self._directory.append(b"".join((b"PK\x01\x02", made_by, common, place, path, listed)))
        return start + padding

    def close(self) -> None:
        """Write the directory; the file is a zip from here on."""
        self._flush()
        start, count = self._at, len(self._directory)
        listing = b"".join(self._directory)
        self._write(listing)
        if count >= _LIMIT_COUNT or start + len(listing) >= _LIMIT:
            end = self._at
            self._write(
                b"PK\x06\x06"
                + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(listing), start)
                + b"PK\x06\x07"
                + struct.pack("<IQI", 0, end, 1)
            )
        few, size, at = min(count, _LIMIT_COUNT), min(len(listing), _LIMIT), min(start, _LIMIT)
        self._write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, few, few, size, at, 0))

    def _flush(self) -> None:
        self._file.write(b"".join(self._small))
        self._small.clear()
        self._waiting = 0

    def _write(self, data: Buffer) -> None:
        self._file.write(data)
        self._at += len(data)
