"""Values of variables to arrays, and arrays to values like the ones they replace.

jax and torch are not imported here: a value of theirs can only come from a program that did.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ckpt._dtypes import as_numbers, known_dtype, stored_dtype
from ckpt.errors import UnsupportedValueError

if TYPE_CHECKING:
    from ckpt._dtypes import Array, Dtype


def to_array(name: str, value: Any) -> Array:
    """The value of a variable as an array; its memory where it already is one.

    Raises:
        UnsupportedValueError: It is no array and no number.
    """
    if isinstance(value, np.ndarray):
        plain = cast("Array", value)
        if _is_from("numpy.ma", "MaskedArray", value):
            reason = "it has a mask, which an npz file has no place for; save its data and mask"
            raise UnsupportedValueError(name, reason)
        return plain if type(plain) is np.ndarray else plain.view(np.ndarray)
    if _is_from("torch", "Tensor", value):
        from ckpt._tensors import tensor_to_array

        return tensor_to_array(name, value)
    if _is_key(value):
        value = sys.modules["jax"].random.key_data(value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UnsupportedValueError(
            name, f"{type(value).__name__} is no array: {error}"
        ) from error
    if array.dtype.hasobject:
        raise UnsupportedValueError(
            name, f"{type(value).__name__} becomes an array of Python objects, which need pickle"
        )
    return array


def like(value: Any, array: Array) -> Any:
    """An array of the right shape and dtype as the kind of value that it replaces."""
    if isinstance(value, np.ndarray):
        return array
    if _is_from("jax", "Array", value):
        return _like_jax(value, array)
    if _is_from("torch", "Tensor", value):
        from ckpt._tensors import array_to_tensor

        return array_to_tensor(array, value)
    if isinstance(value, np.generic):
        return array[()]
    return type(value)(array.item()) if np.ndim(value) == 0 else array


def _like_jax(value: Any, array: Array) -> Any:
    jax: Any = sys.modules["jax"]

    made = jax.numpy.array(array)
    if _is_key(value):
        made = jax.random.wrap_key_data(made, impl=jax.random.key_impl(value))
    # One device, the default: as objax does. Otherwise where the old value was.
    sharding = getattr(value, "sharding", None)
    if sharding is None or sharding == made.sharding or len(sharding.device_set) != 1:
        return made
    return jax.device_put(made, sharding)


def _is_key(value: Any) -> bool:
    """Whether a value is a key of ``jax.random.key``, which is numbers with a type around them."""
    if not _is_from("jax", "Array", value):
        return False
    dtypes = sys.modules["jax"].dtypes
    return bool(dtypes.issubdtype(value.dtype, dtypes.prng_key))


def _is_from(module: str, kind: str, value: Any) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, kind, ()))


def cast_like(value: Any, array: Array, dtype: Dtype) -> Any:
    """Numbers of another dtype as the kind of value that they replace.

    None if that would lose more than precision: a float does not become an integer, nor a number
    one that is beyond the range of the other dtype.
    """
    numbers = as_numbers(array)
    target = np.dtype(np.float32) if stored_dtype(dtype) != dtype or dtype.names else dtype
    if numbers is None or target.kind not in "biufc":
        return None
    source = numbers.dtype if numbers.dtype.kind in "biufc" else np.dtype(np.float32)
    if not np.can_cast(source, target, "same_kind"):
        return None
    exact = np.complex128 if target.kind == "c" else np.float64
    if _is_from("torch", "Tensor", value):
        from ckpt._tensors import NATIVE, make_tensor

        plain = numbers if numbers.dtype.kind in "biufc" else numbers.astype(np.float32)
        native = {dtype: torch for torch, dtype in NATIVE.items()}
        tensor = make_tensor(plain, native[plain.dtype]).to(value.device, value.dtype)
        back = tensor.cpu().to(native[np.dtype(exact)]).numpy()  # some devices lack float64
        return tensor if _is_near(numbers.astype(exact), back) else None
    known = known_dtype(dtype) if dtype.names else dtype
    if known is None:
        return None
    with np.errstate(invalid="ignore", over="ignore"):  # which is judged below
        made = numbers.astype(known)
        if not _is_near(numbers.astype(exact), made.astype(exact)):
            return None
    return like(value, made.view(dtype))


def _is_near(before: Array, after: Array) -> bool:
    """Whether only precision was lost: what is at least 1 changed by no more than half of it."""
    size = np.abs(before)
    with np.errstate(invalid="ignore"):
        near = np.abs(after - before) <= size / 2
    small = (size < 1) & np.isfinite(after)
    return bool((near | small | ~np.isfinite(before)).all())
