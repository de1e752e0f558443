"""The entries of a zip file's central directory; those of equal width are read as one table."""

from __future__ import annotations

import struct
from functools import lru_cache
from itertools import chain, compress
from typing import TYPE_CHECKING

import numpy as np

from ckpt._zip import ENTRY, MAX32

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ckpt._dtypes import Array, Dtype

ENCRYPTED = 0x1
WHOLE = f"V{ENTRY.itemsize}"
FEW, MANY = 256, 1 << 14
"""Rows that are looked at together: at first, and at most."""


def read_entries(data: bytes, count: int) -> tuple[list[bytes], Array]:
    """The names of all entries; a table of their offsets, sizes, checksums and lengths of names.

    Raises:
        ValueError: They are damaged, or of members that are compressed or encrypted.
    """
    names: list[bytes] = []
    tables, places = [np.empty(0, WHOLE)], list[range]()
    at, together = 0, FEW
    while len(names) < count:
        table = _alike(data, at, min(together, count - len(names)))
        together = min(2 * together, MANY) if len(table) == together else FEW
        end = at + table.nbytes
        names += table["name"].tolist() if table.dtype["name"].itemsize else [b""] * len(table)
        tables.append(table["entry"])
        places.append(range(at, end, table.itemsize))
        at = end
    if at != len(data):
        raise ValueError("its list of members is too long")
    entries = np.concatenate(tables).view(ENTRY)
    return names, _columns(data, entries, chain.from_iterable(places), names)


def _alike(data: bytes, at: int, most: int) -> Array:
    """The entries from a place on that are as wide as the first."""
    if at + ENTRY.itemsize > len(data):
        raise ValueError("its list of members is too short")
    length, extra, comment = struct.unpack_from("<3H", data, at + 28)
    row = _row(length, extra, comment)
    if at + row.itemsize > len(data):
        raise ValueError("its list of members is damaged")
    table: Array = np.frombuffer(data, row, min(most, (len(data) - at) // row.itemsize), at)
    other = (table["magic"] != b"PK\1\2") | (table["widths"] != table["widths"][0])
    table = table[: int(other.argmax())] if other.any() else table
    if not len(table):
        raise ValueError("its list of members is damaged")
    return table


@lru_cache(maxsize=64)
def _row(name: int, extra: int, comment: int) -> Dtype:
    """An entry with its name, also as what is compared: bytes for its beginning and widths."""
    return np.dtype(
        {
            "names": ["entry", "magic", "widths", "name"],
            "formats": [WHOLE, "S4", "S6", f"V{name}"],
            "offsets": [0, 0, 28, ENTRY.itemsize],
            "itemsize": ENTRY.itemsize + name + extra + comment,
        }
    )


def _columns(data: bytes, entry: Array, places: Iterable[int], names: Sequence[bytes]) -> Array:
    """The table of entries; each of their places is in the data."""
    packed, size, offset, crc = (
        entry[field].astype(np.int64) for field in ("packed", "size", "offset", "crc")
    )
    large = (packed == MAX32) | (size == MAX32) | (offset == MAX32)
    for i, place in compress(enumerate(places), large) if large.any() else ():
        start = place + ENTRY.itemsize + len(names[i])
        extra = data[start : start + int(entry["extra"][i])]
        fields = (int(size[i]), int(packed[i]), int(offset[i]))
        try:
            size[i], packed[i], offset[i] = _widen(extra, *fields)
        except OverflowError as error:
            raise ValueError(f"member {shown(names[i])} claims more than it has") from error
    odd = (entry["flags"] & ENCRYPTED != 0) | (entry["method"] != 0) | (packed != size)
    if odd.any():
        raise ValueError(f"member {shown(names[int(odd.argmax())])} is compressed or encrypted")
    return np.array([offset, size, crc, entry["name"]])


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
