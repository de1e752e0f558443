"""CRC-32 by the fastest library that is installed: ISA-L, zlib-ng, or Python's zlib.

The first two come with the extra ``fast``; all give the same numbers.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

POLYNOMIAL = 0xEDB88320


def _fastest() -> Callable[..., int]:
    for name in ("isal.isal_zlib", "zlib_ng.zlib_ng"):
        try:
            module: Any = import_module(name)
        except ImportError:
            continue
        found: Callable[..., int] = module.crc32
        return found
    return zlib.crc32


crc32: Callable[..., int] = _fastest()
"""The checksum of a buffer, and with a second argument that of what precedes it, continued."""


def combine(first: int, second: int, length: int) -> int:
    """The checksum of two stretches from that of each.

    Args:
        first: Of the first stretch.
        second: Of the second.
        length: Bytes of the second.

    >>> combine(crc32(b"check"), crc32(b"point"), 5) == crc32(b"checkpoint")
    True
    """
    return _multiply(_shift(length), first) ^ second


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials over GF(2), modulo that of CRC-32; bits are reflected."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=256)
def _shift(length: int) -> int:
    """The polynomial x to the number of bits in so many bytes, by repeated squaring."""
    power, square = 1 << 31, 1 << 23  # 1, and x to the 8
    while length:
        if length & 1:
            power = _multiply(square, power)
        square = _multiply(square, square)
        length >>= 1
    return power
