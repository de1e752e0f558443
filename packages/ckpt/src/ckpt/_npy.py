r"""The npy format: a header that names dtype, order and shape, then the array's bytes.

Byte by byte (numpy's NEP 1): ``\\x93NUMPY``, the version as two bytes (1.0, 2.0 or 3.0), the
length of the text as ``<u2`` (version 1) or ``<u4``, the text, padded with spaces and ended by a
newline so that the data begins at a multiple of 64. The text is a Python literal such as
``{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }``: latin-1, or UTF-8 in version 3.
Headers longer than 10,000 bytes are neither written nor read, as in numpy.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.lib.format import descr_to_dtype, dtype_to_descr

from ckpt.errors import UnsupportedValueError

if TYPE_CHECKING:
    from ckpt._dtypes import Array, Dtype

MAGIC = b"\x93NUMPY"
ALIGN = 64
LONGEST = 10_000
PLAIN = re.compile(
    r"\{'descr': '([^'\\]{1,40})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,19}, ?)*(?:\d{1,19})?)\), \} *\n\Z"
)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the bytes of an array."""

    dtype: Dtype
    shape: tuple[int, ...]
    fortran: bool
    length: int
    """Bytes of the header, and so the offset of the data."""

    @property
    def nbytes(self) -> int:
        """Bytes of the data."""
        return prod(self.shape) * self.dtype.itemsize


@lru_cache(maxsize=256)
def _describe(dtype: Dtype) -> str:
    try:
        plain = dtype if dtype.metadata is None else cast("Dtype", np.dtype(dtype.descr))
        return repr(dtype_to_descr(plain))
    except ValueError as error:
        raise UnsupportedValueError("", f"dtype {dtype} cannot be described: {error}") from error


@lru_cache(maxsize=1024)
def encode_header(dtype: Dtype, shape: tuple[int, ...], *, fortran: bool) -> bytes:
    """The header of an array, of a length that is a multiple of 64 bytes.

    Raises:
        UnsupportedValueError: A structure whose fields overlap, or with so many that numpy would
            not read it back.

    >>> header = encode_header(np.dtype("<f4"), (2, 3), fortran=False)
    >>> len(header), decode_header(header).shape
    (128, (2, 3))
    """
    text = f"{{'descr': {_describe(dtype)}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    try:
        body, version = text.encode("latin-1"), 1
    except UnicodeEncodeError:
        body, version = text.encode("utf-8"), 3
    if len(body) > LONGEST - ALIGN:
        raise UnsupportedValueError("", f"its dtype has {len(dtype.names or ())} fields, too many")
    before = len(MAGIC) + 2 + (2 if version == 1 else 4)
    length = len(body) + -(before + len(body) + 1) % ALIGN + 1
    size = length.to_bytes(2 if version == 1 else 4, "little")
    return MAGIC + bytes((version, 0)) + size + body.ljust(length - 1) + b"\n"


def header_length(start: bytes) -> int:
    """The length of a header whose first 12 bytes are given.

    Raises:
        ValueError: These bytes do not begin an npy file, or its header is too long.
    """
    if start[:6] != MAGIC or len(start) < 12 or start[6] not in (1, 2, 3) or start[7] != 0:  # noqa: PLR2004
        raise ValueError("it does not begin like an npy file")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    if length > LONGEST:
        raise ValueError(f"its header claims {length} bytes, more than {LONGEST}")
    return 8 + width + length


def decode_header(header: bytes) -> Header:
    """Read a header, trusting nothing in it.

    Raises:
        ValueError: It is no header, or one of an array of Python objects.
    """
    length = header_length(header)
    if length > len(header):
        raise ValueError("its header is cut off")
    start = 10 if header[6] == 1 else 12
    text = header[start:length].decode("utf-8" if header[6] == 3 else "latin-1")  # noqa: PLR2004
    plain = PLAIN.match(text)
    if plain:
        descr, fortran, dims = plain.groups()
        shape = tuple(int(n) for n in dims.split(",") if n.strip())
        return Header(_parse_dtype(descr), shape, fortran == "True", length)
    return _decode_unusual(text, length)


def _decode_unusual(text: str, length: int) -> Header:
    try:
        fields: Any = ast.literal_eval(text)
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError("its header is not a Python literal") from error
    if not isinstance(fields, dict) or fields.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError("its header does not name descr, fortran_order and shape")
    named = cast("dict[str, Any]", fields)
    shape, fortran = named["shape"], named["fortran_order"]
    dims = cast("tuple[object, ...]", shape) if isinstance(shape, tuple) else (None,)
    whole = all(type(n) is int and 0 <= n < 1 << 63 for n in dims)
    if not whole or not isinstance(fortran, bool):
        raise ValueError(f"its header claims shape {shape!r} and fortran_order {fortran!r}")
    return Header(_parse_dtype(named["descr"]), cast("tuple[int, ...]", dims), fortran, length)


_dtypes: dict[str, Dtype] = {}  # of plain descriptions; numpy's own parser takes 1 µs each


def _parse_dtype(descr: Any) -> Dtype:
    known = _dtypes.get(descr) if isinstance(descr, str) else None
    if known is not None:
        return known
    try:
        dtype = descr_to_dtype(cast("Any", descr))
    except (TypeError, ValueError, KeyError, IndexError, SyntaxError, RecursionError) as error:
        raise ValueError(f"its header claims dtype {descr!r:.80}") from error
    if dtype.hasobject:
        raise ValueError("it holds pickled Python objects, which are never loaded")
    if dtype.subdtype is not None:
        raise ValueError(f"its header claims dtype {descr!r:.80}")
    if isinstance(descr, str) and len(_dtypes) < 256:  # noqa: PLR2004
        _dtypes[descr] = dtype
    return dtype


def shaped(data: Array, header: Header) -> Array:
    """Give the ``uint8`` data of an array its dtype, shape and order, without copying.

    Raises:
        ValueError: The data has another size, or no array can have that shape.
    """
    if data.nbytes != header.nbytes:
        raise ValueError(f"its header claims {header.nbytes} bytes, it holds {data.nbytes}")
    return np.ndarray(header.shape, header.dtype, data, order="F" if header.fortran else "C")
