"""Read the size of a shard."""

from __future__ import annotations

from contextlib import suppress

from expcore import parse_size


def size_in_bytes(size: int | str) -> int:
    """Return a size like ``"5GB"`` in bytes.

    Raises:
        ValueError: It is no size, or not positive.

    >>> size_in_bytes("1.5 KB"), size_in_bytes("1KiB"), size_in_bytes(7)
    (1500, 1024, 7)
    """
    count: object = size
    if isinstance(size, str):
        with suppress(ValueError):
            count = parse_size(size)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f'max_shard_size={size!r} is no size like "5GB", or a number of bytes')
    return count
