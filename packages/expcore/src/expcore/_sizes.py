"""Read sizes as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(size: str | float) -> int:
    """Bytes from a number, or from a text such as ``"100K"``, ``"5 GB"`` or ``"2GiB"``.

    Raises:
        ValueError: It is no size.

    >>> parse_size("1.5M"), parse_size("1KiB"), parse_size(7)
    (1500000, 1024, 7)
    """
    if not isinstance(size, str):
        return int(size)
    found = _SIZE.fullmatch(size)
    if found is None:
        raise ValueError(f"{size!r} is no size; expected bytes, or a text such as '100K' or '5GB'")
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[prefix.lower()])
