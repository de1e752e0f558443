"""The entries of a zip file's central directory; those of equal width are read as one table."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from ckpt._zip import ENTRY, MAX32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ckpt._dtypes import Array

ENCRYPTED = 0x1
FEW, MANY = 256, 1 << 14
"""Rows that are looked at together: at first, and at most."""


def read_entries(data: bytes, count: int) -> tuple[list[bytes], Array]:
    """The names of all entries, and their sizes, offsets and checksums.

    Raises:
        ValueError: They are damaged, or of members that are compressed or encrypted.
    """
    names: list[bytes] = []
    parts: list[Array] = []
    at, together = 0, FEW
    while len(names) < count:
        table, name = _alike(data, at, min(together, count - len(names)))
        together = min(2 * together, MANY) if len(table) == together else FEW
        at += len(table) * table.dtype.itemsize
        names += name
        parts.append(_columns(table, name))
    if at != len(data):
        raise ValueError("its list of members is too long")
    return names, np.concatenate([np.empty((3, 0), np.int64), *parts], axis=1)


def _alike(data: bytes, at: int, most: int) -> tuple[Array, list[bytes]]:
    """The entries from a place on that are as wide as the first, and their names."""
    if at + ENTRY.itemsize > len(data):
        raise ValueError("its list of members is too short")
    length, extra, comment = struct.unpack_from("<3H", data, at + 28)
    width = ENTRY.itemsize + length + extra + comment
    if at + width > len(data):
        raise ValueError("its list of members is damaged")
    row = np.dtype(
        [("entry", ENTRY), ("name", f"V{length}"), ("extra", f"V{extra}"), ("", f"V{comment}")]
    )
    table: Array = np.frombuffer(data, row, min(most, (len(data) - at) // width), at)
    entry = table["entry"]
    other = (entry["name"] != length) | (entry["extra"] != extra) | (entry["comment"] != comment)
    other |= entry["magic"] != b"PK\1\2"
    table = table[: int(other.argmax())] if other.any() else table
    if not len(table):
        raise ValueError("its list of members is damaged")
    return table, table["name"].tolist() if length else [b""] * len(table)


def _columns(table: Array, names: Sequence[bytes]) -> Array:
    entry = table["entry"]
    packed, size, offset = (
        entry[field].astype(np.int64) for field in ("packed", "size", "offset")
    )
    large = np.flatnonzero((packed == MAX32) | (size == MAX32) | (offset == MAX32))
    for i in large.tolist():
        extra = table["extra"][i].tobytes()
        fields = (int(size[i]), int(packed[i]), int(offset[i]))
        try:
            size[i], packed[i], offset[i] = _widen(extra, *fields)
        except OverflowError as error:
            raise ValueError(f"member {shown(names[i])} claims more than it has") from error
    odd = np.flatnonzero((entry["flags"] & ENCRYPTED) | (entry["method"] != 0) | (packed != size))
    if odd.size:
        raise ValueError(f"member {shown(names[int(odd[0])])} is compressed or encrypted")
    columns: list[Any] = [size, offset, entry["crc"]]
    return np.stack([np.asarray(column, np.int64) for column in columns])


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


def shown(name: bytes) -> str:
    """A member's name for a message."""
    return repr(name.decode("utf-8", "replace"))
