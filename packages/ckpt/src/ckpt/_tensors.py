"""torch tensors as arrays, bit for bit, and back.

What numpy has no dtype for (bfloat16, the float8 kinds, complex32) becomes a structure of one
field that names it; see :mod:`ckpt._dtypes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from ckpt._dtypes import Array, Dtype, named_bits
from ckpt.errors import UnsupportedValueError

if TYPE_CHECKING:
    from collections.abc import Callable

NATIVE = {
    getattr(torch, name): np.dtype(name)
    for name in (
        "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
        "float16", "float32", "float64", "complex64", "complex128",
    )
    if hasattr(torch, name)
}  # fmt: skip
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32}


def array_dtype(dtype: torch.dtype) -> Dtype:
    """The dtype of the array for tensors of a dtype.

    >>> array_dtype(torch.bfloat16)
    dtype([('bfloat16', '<u2')])
    """
    native = NATIVE.get(dtype)
    name = str(dtype).removeprefix("torch.")
    return native if native is not None else named_bits(name, dtype.itemsize)


def tensor_dtype(dtype: Dtype) -> torch.dtype | None:
    """The dtype of the tensor for arrays of a dtype; None if torch has none."""
    name = dtype.names[0] if dtype.names else dtype.name
    found = getattr(torch, name, None)
    fits = isinstance(found, torch.dtype) and array_dtype(found) == dtype.newbyteorder("=")
    return found if fits else None


def tensor_to_array(name: str, tensor: torch.Tensor) -> Array:
    """The values of a tensor; on a CPU, the tensor's own memory.

    Raises:
        UnsupportedValueError: It is sparse, quantized, or has no values (meta device).
    """
    if tensor.is_quantized:  # its bits alone do not say its values
        raise UnsupportedValueError(name, _has_no_values(tensor))
    try:
        plain = tensor.detach().resolve_conj().resolve_neg().cpu()
        if plain.dtype in NATIVE:
            return plain.numpy()
        return plain.view(BITS[plain.element_size()]).numpy().view(array_dtype(plain.dtype))
    except (RuntimeError, TypeError, KeyError, NotImplementedError) as error:
        raise UnsupportedValueError(name, _has_no_values(tensor)) from error


def _has_no_values(tensor: torch.Tensor) -> str:
    kind = f"{tensor.dtype} tensor, {tensor.layout} on {tensor.device}"
    return f"a {kind} has no plain array of values"


def array_to_tensor(array: Array, like: torch.Tensor) -> torch.Tensor:
    """The tensor of an array that has the dtype of another one, on its device."""
    return make_tensor(array, like.dtype).to(like.device)


def make_tensor(array: Array, dtype: torch.dtype) -> torch.Tensor:
    """The tensor of an array, on a CPU; they share their memory where they can."""
    ready = array.astype(array.dtype.newbyteorder("="), copy=False)
    ready = ready if ready.flags.writeable else ready.copy()
    share = cast("Callable[[Array], torch.Tensor]", torch.from_numpy)  # pyright: ignore[reportUnknownMemberType]
    if dtype in NATIVE:
        return share(ready)
    bits = np.dtype(str(BITS[dtype.itemsize]).removeprefix("torch."))
    return share(ready.view(bits)).view(dtype)
