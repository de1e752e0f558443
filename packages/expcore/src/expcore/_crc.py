"""CRC-32, the checksum of zip files, by the fastest library that is installed.

ISA-L and zlib-ng are several times faster than Python's zlib; the first comes with the extra
``fast``. All give the same numbers.
"""

from __future__ import annotations

import zlib
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

POLYNOMIAL = 0xEDB88320


def fastest_crc32() -> Callable[..., int]:
    """Return the function of the fastest library that can be imported."""
    for name in ("isal.isal_zlib", "zlib_ng.zlib_ng"):
        try:
            module: Any = import_module(name)
        except ImportError:
            continue
        found: Callable[..., int] = module.crc32
        return found
    return zlib.crc32


crc32: Callable[..., int] = fastest_crc32()
"""``crc32(data)`` is the checksum of a buffer; ``crc32(data, before)`` continues another."""


def crc32_combine(first: int, second: int, length: int) -> int:
    """Return the checksum of two stretches of bytes from that of each.

    Args:
        first: Of the first stretch.
        second: Of the second.
        length: Bytes of the second.

    >>> crc32_combine(crc32(b"check"), crc32(b"point"), 5) == crc32(b"checkpoint")
    True
    """
    return _multiply(_shift(length), first) ^ second


def _multiply(a: int, b: int) -> int:
    """Multiply two polynomials over GF(2), modulo that of CRC-32; bits are reflected."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=1 << 12)
def _shift(length: int) -> int:
    """Return the polynomial x to the number of bits in so many bytes."""
    power = 1 << 31  # 1
    for i in range(length.bit_length()):
        if length >> i & 1:
            power = _multiply(_square(i), power)
    return power


@cache
def _square(times: int) -> int:
    """Return x to the 8, squared so many times."""
    if times == 0:
        return 1 << 23
    root = _square(times - 1)
    return _multiply(root, root)
