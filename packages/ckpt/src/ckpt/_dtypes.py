"""Which dtypes a checkpoint holds, and how those that numpy does not know are written down.

bfloat16, the float8 kinds and the other types of ``ml_dtypes`` have no name in the npy format:
numpy itself writes them as raw ``|V2``, which says nothing. Here they are stored as a structure
of one field, ``[('bfloat16', '<u2')]``: numpy reads it without ``ml_dtypes``, and it says what it
is. Never as a bare ``<u2``, which objax would load as integers without a word.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from ckpt.errors import UnsupportedValueError

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Dtype: TypeAlias = "np.dtype[Any]"

EXTENDED = re.compile(r"b?float\d\w*|u?int\d\w*|complex\d\w*")
USER_DEFINED = 2  # of numpy.dtype.isbuiltin


def named_bits(name: str, itemsize: int) -> Dtype:
    """The dtype under which values of an extended type are stored.

    >>> named_bits("bfloat16", 2)
    dtype([('bfloat16', '<u2')])
    """
    return np.dtype([(name, f"<u{itemsize}" if itemsize > 1 else "|u1")])


@lru_cache(maxsize=256)
def stored_dtype(dtype: Dtype) -> Dtype:
    """The dtype in the file for values of a dtype in memory.

    Raises:
        UnsupportedValueError: The dtype holds Python objects or text of varying length.
    """
    if dtype.hasobject:
        raise UnsupportedValueError("", f"dtype {dtype} holds Python objects, which need pickle")
    if dtype.isbuiltin == USER_DEFINED:
        return named_bits(dtype.name, dtype.itemsize)
    if dtype.kind not in "biufcmMSUV":
        raise UnsupportedValueError("", f"dtype {dtype} has no place in the npy format")
    for field, *_ in (dtype.fields or {}).values():
        if stored_dtype(field.base) != field.base:
            raise UnsupportedValueError("", f"dtype {dtype} has a field of type {field.base}")
    return dtype


def to_stored(array: Array) -> Array:
    """View an array under the dtype that the file has for it; no bytes are changed."""
    dtype = stored_dtype(array.dtype)
    return array if dtype == array.dtype else array.view(dtype)


def same_bits(stored: Dtype, expected: Dtype) -> bool:
    """Whether stored values are, bit for bit (byte order aside), values of the expected dtype."""
    if stored == expected or stored.newbyteorder("=") == expected.newbyteorder("="):
        return True
    if stored.itemsize != expected.itemsize:
        return False
    bits = stored_dtype(expected)
    # numpy and objax write the types of ml_dtypes as raw bytes; the variable says what they are.
    raw = stored.kind == "V" and stored.names is None and stored.subdtype is None
    return bits != expected and (stored == bits or raw)


def from_stored(array: Array, expected: Dtype) -> Array:
    """View or convert stored values, which :func:`same_bits` accepted, as the expected dtype."""
    if array.dtype == expected:
        return array
    if array.dtype.newbyteorder("=") == expected.newbyteorder("="):
        return array.astype(expected)
    return array.view(expected)


def name_of_dtype(dtype: Dtype) -> str:
    """How people call a dtype: an extended type by its own name.

    >>> name_of_dtype(named_bits("bfloat16", 2)), name_of_dtype(np.dtype(">f4"))
    ('bfloat16', '>f4')
    """
    stored = stored_dtype(dtype)
    return str(stored.names[0]) if stored.names and is_named_bits(stored) else str(dtype)


def is_named_bits(dtype: Dtype) -> bool:
    """Whether a dtype is that of an extended type in a file."""
    if dtype.names is None or len(dtype.names) != 1 or dtype.itemsize not in (1, 2, 4, 8):
        return False
    name = dtype.names[0]
    return EXTENDED.fullmatch(name) is not None and dtype == named_bits(name, dtype.itemsize)


def known_dtype(stored: Dtype) -> Dtype | None:
    """The dtype of ``ml_dtypes`` for an extended type in a file; None if there is none here."""
    if stored.names is None or not is_named_bits(stored):
        return None
    try:
        found = getattr(import_module("ml_dtypes"), stored.names[0], None)
    except ImportError:
        return None
    return None if found is None else np.dtype(found)


def as_numbers(array: Array) -> Array | None:
    """Values of an extended type as numbers that numpy can convert; None if nothing here can.

    bfloat16 needs no help: its bits are the upper half of a float32.

    >>> as_numbers(np.array([0x3F80], "<u2").view([("bfloat16", "<u2")]))
    array([1.], dtype=float32)
    """
    if array.dtype.isbuiltin == USER_DEFINED:
        return array
    if array.dtype.names is None or not is_named_bits(array.dtype):
        return array if array.dtype.kind in "biufc" else None
    name = array.dtype.names[0]
    if name == "bfloat16":
        return (array[name].astype(np.uint32) << 16).view(np.float32)
    dtype = known_dtype(array.dtype)
    return None if dtype is None else array.view(dtype)


def portable(name: str, array: Array) -> Array:
    """An array without extended types: float32 in their place, which holds each value exactly.

    Raises:
        UnsupportedValueError: ``ml_dtypes`` is needed for the conversion, and not installed.
    """
    stored = to_stored(array)
    if not is_named_bits(stored.dtype):
        return array
    numbers = as_numbers(stored)
    if numbers is None:
        reason = f"{name_of_dtype(stored.dtype)} becomes float32 only with ml_dtypes installed"
        raise UnsupportedValueError(name, reason)
    return numbers.astype(np.float32)
