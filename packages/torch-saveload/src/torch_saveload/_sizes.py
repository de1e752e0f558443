"""Read sizes as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?B)", re.IGNORECASE)
_UNITS = {
    f"{prefix}{unit}": base**power
    for unit, base in (("B", 1000), ("IB", 1024))
    for power, prefix in enumerate(("", "K", "M", "G", "T"))
}


def size_in_bytes(size: int | str) -> int:
    """Return a size like ``"5GB"`` in bytes.

    Raises:
        ValueError: It is no size, or not positive.

    >>> size_in_bytes("1.5 KB"), size_in_bytes("1KiB"), size_in_bytes(7)
    (1500, 1024, 7)
    """
    found = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    count = int(float(found[1]) * _UNITS[found[2].upper()]) if found else size
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f'max_shard_size={size!r} is no size like "5GB", or a number of bytes')
    return count
