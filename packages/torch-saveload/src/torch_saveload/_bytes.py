"""The memory of a tensor as bytes and their digest, and bytes as a tensor, without a copy."""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING, Protocol, TypeAlias

from xxhash import xxh3_128

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Buffer: TypeAlias = "bytes | bytearray | memoryview"


class Sink(Protocol):
    """What a file is written to."""

    def write(self, data: Buffer, /) -> object:
        """Append the bytes."""
        ...


class PiecewiseDigest:
    """What :func:`expcore.digest_bytes` says of bytes, when they come piece by piece.

    >>> digest = PiecewiseDigest()
    >>> digest.update(b"some ")
    >>> digest.update(b"bytes")
    >>> from expcore import digest_bytes
    >>> str(digest) == digest_bytes(b"some bytes")
    True
    """

    def __init__(self) -> None:
        self._hasher = xxh3_128()

    def update(self, piece: Buffer) -> None:
        """Add the next bytes."""
        self._hasher.update(piece)

    def __str__(self) -> str:
        return f"xxh3_128:{self._hasher.hexdigest()}"


@functools.cache
def dtype_name(dtype: torch.dtype) -> str:
    """Return what files call a dtype: ``float32``."""
    return str(dtype).removeprefix("torch.")


def tensor_bytes(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous CPU tensor.

    The view does not keep the tensor alive: hold on to it while the view is used.
    """
    size = tensor.numel() * tensor.element_size()
    if size == 0:
        return memoryview(b"")
    return memoryview((ctypes.c_ubyte * size).from_address(tensor.data_ptr())).cast("B")


def tensor_from_bytes(
    data: Buffer, dtype: str, shape: tuple[int, ...], stride: tuple[int, ...] | None = None
) -> Tensor:
    """Return a tensor over writable ``data``, which it shares and keeps alive."""
    import torch

    kind = getattr(torch, dtype)
    if len(data) == 0 and 0 in shape:
        return torch.empty(shape, dtype=kind)
    flat = torch.frombuffer(data, dtype=kind)
    if flat.data_ptr() % kind.itemsize:
        flat = torch.frombuffer(bytearray(data), dtype=kind)
    if stride is not None:
        return flat.as_strided(shape, stride)
    return flat if len(shape) == 1 else flat.view(shape)
