"""NaNs in arrays: there are many patterns of bits for them, and one of them in a digest."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

import numpy as np

HALF_INFINITY = 0x7C00
BRAIN_INFINITY, BRAIN_NAN = 0x7F80, 0x7FC0


def may_be_nan(dtype: Any) -> bool:
    """Say whether a NaN is among the values of a dtype."""
    if dtype.kind != "V" or dtype.type is np.void:
        return bool(dtype.kind in "fc")
    # Floats of others (ml_dtypes' bfloat16) call themselves plain bytes.
    try:
        np.isnan(np.zeros(1, dtype))
    except TypeError:
        return False
    return True


def with_one_nan(array: Any) -> Any:
    """Return a copy of floats or complex numbers where all NaNs are alike; None without any."""
    if not _has_nan(array):
        return None
    with np.errstate(all="ignore"):
        array = array.copy()
        parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
        for part in parts:
            part[np.isnan(part)] = np.nan
        return array


def bits_with_one_nan(bits: Any) -> Any:
    """Do the same for bfloat16, which numpy knows as 16 bits only."""
    if not _is_above(bits, BRAIN_INFINITY):
        return None
    return np.where((bits & 0x7FFF) > BRAIN_INFINITY, np.uint16(BRAIN_NAN), bits)


def _has_nan(array: Any) -> bool:
    """Say whether there is a NaN in an array of floats.

    The maximum of such an array is one: nothing exact that numpy offers reads faster, and it
    does not warn of those that signal.
    """
    if not array.size:
        return False
    if array.dtype.kind == "V":
        return bool(np.isnan(array).any())
    if array.dtype.kind == "c":
        return _has_nan(np.ascontiguousarray(array).view(array.real.dtype))
    if array.dtype.char == "e":
        # Halves are slow, their bits are not: without the sign, a NaN is above infinity.
        return _is_above(array.view(f"{array.dtype.byteorder}u2"), HALF_INFINITY)
    largest = np.maximum.reduce(array, axis=None)
    return bool(largest != largest)  # noqa: PLR0124


def _is_above(bits: Any, infinity: int) -> bool:
    return bool(bits.size) and bool((bits << 1).max() > infinity << 1)
