"""Write a model file: tensors one after another, then what is known of them.

The format is written down in :mod:`torch_saveload._index`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from expcore import digest_bytes

from ._bytes import PiecewiseDigest, dtype_name, tensor_bytes
from ._compress import compress
from ._index import (
    FORMAT,
    INDEX_NAME,
    ITEM_SIZES,
    Index,
    TensorRecord,
    contiguous_stride,
    encode_index,
    is_dense,
)
from ._output import Copies, copy_of
from ._pickle import Ordered, TensorPlace, dump, has_storage_class
from ._zip import ZipWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ._output import Output

LARGE_BYTES = 1 << 20
"""Larger tensors are copied and written piece by piece, smaller ones at once."""


def write_model(
    file: Output, index: Index, tensors: Mapping[str, Tensor], *, shrink: bool
) -> None:
    """Write a model file.

    Args:
        file: Where the bytes go, from the first on.
        index: All that is known, without the tensors.
        tensors: The tensors by name, on any device. Those that share memory are written once.
        shrink: Whether to compress.
    """
    writer = ZipWriter(file)
    records: dict[str, TensorRecord] = {}
    keys: dict[int, int] = {}
    written: dict[object, TensorRecord] = {}
    """By memory, or by name where no other tensor begins there."""
    places = Counter(tensor.data_ptr() for tensor in tensors.values())
    for name, tensor in tensors.items():
        memory = _memory(tensor) if places[tensor.data_ptr()] > 1 else name
        record = written.get(memory)
        if record is None:
            record = _write_tensor(file, writer, f"data/{len(keys)}", tensor, shrink=shrink)
            keys[record.offset] = len(keys)
            if record.size:
                written[memory] = record
        elif record.grad is not (grad := grad_of(tensor)):
            record = record._replace(grad=grad)
        records[name] = record
    index = dataclasses.replace(index, tensors=records)
    writer.add("data.pkl", pickle_of(index, keys))
    writer.add("byteorder", b"little")
    writer.add(".format_version", b"1")
    writer.add(".storage_alignment", b"64")
    writer.add("version", b"3\n")
    writer.add(INDEX_NAME, encode_index(index))
    writer.close()


def pickle_of(index: Index, keys: Mapping[int, int]) -> bytes:
    """Return the ``data.pkl`` that says the same as the index.

    Args:
        index: With the tensors' places.
        keys: Offset in the file -> number of the member ``data/<number>``.
    """
    model: dict[str, Any] = {}
    compressed: dict[str, Any] = {}
    for name, record in index.tensors.items():
        key = keys[record.offset]
        if (blocks := record.blocks) is not None:
            compressed[name] = {
                "dtype": record.dtype,
                "shape": list(record.shape),
                "stride": list(record.stride or contiguous_stride(record.shape)),
                "codec": "zstd",
                "shuffle": blocks.shuffle,
                "raw": blocks.raw,
                "sizes": list(blocks.sizes),
                "blocks": TensorPlace(key, "uint8", (record.size,), (1,), record.size),
            }
            continue
        size = record.size
        count = size // ITEM_SIZES[record.dtype] if has_storage_class(record.dtype) else size
        stride = record.stride or contiguous_stride(record.shape)
        model[name] = TensorPlace(key, record.dtype, record.shape, stride, count)
    tree = {
        "model": Ordered({**model, **index.values}, index.metadata),
        "config": index.config,
        "version": index.version,
        "torch_saveload": {
            "format": FORMAT,
            "writer": index.writer,
            "torch": index.torch,
            "class": index.class_name,
            "ties": [list(tie) for tie in index.ties],
            "requires_grad": {n: r.grad for n, r in index.tensors.items() if r.grad is not None},
            "digests": {name: record.digest for name, record in index.tensors.items()},
        },
    }
    if compressed:
        tree["compressed"] = compressed
    return dump(tree)


def _write_tensor(
    file: Output, writer: ZipWriter, member: str, tensor: Tensor, *, shrink: bool
) -> TensorRecord:
    dense = dense_on_cpu(tensor)
    size = dense.elements.nbytes
    if shrink:
        digest = PiecewiseDigest()
        data = tensor_bytes(dense.elements)
        if packed := compress(data, tensor.element_size(), digest.update):
            blocks, pieces = packed
            offset = writer.add(member, *pieces)
            file.advance(size)
            record = record_of(tensor, dense, str(digest), offset)
            return record._replace(size=sum(blocks.sizes), blocks=blocks)
    if size <= LARGE_BYTES:
        copy = copy_of(dense.elements)
        offset = writer.add(member, copy)
        file.advance(size)
        return record_of(tensor, dense, digest_bytes(copy), offset)
    copies = Copies(dense.elements, file.advance)
    offset, correction = writer.add_large(member, size, copies)
    file.corrections.append(correction)
    return record_of(tensor, dense, copies.digest, offset)


class Dense(NamedTuple):
    """The elements of a tensor in the order they lie in memory, on the CPU."""

    elements: Tensor
    shape: tuple[int, ...]
    stride: tuple[int, ...] | None
    """None for a contiguous tensor."""


def record_of(tensor: Tensor, dense: Dense, digest: str, offset: int) -> TensorRecord:
    """Return what is known of a tensor whose elements are written there."""
    dtype, size = dtype_name(tensor.dtype), dense.elements.nbytes
    return TensorRecord(dtype, dense.shape, offset, size, digest, dense.stride, grad_of(tensor))


def dense_on_cpu(tensor: Tensor) -> Dense:
    """Return the elements of a tensor without gaps."""
    if not tensor.is_cpu or tensor.is_conj() or tensor.is_neg():
        tensor = tensor.detach().resolve_conj().resolve_neg().cpu()
    shape = tuple(tensor.shape)
    if tensor.is_contiguous():
        return Dense(tensor, shape, None)
    tensor, stride = tensor.detach(), tensor.stride()
    if not is_dense(shape, stride):
        return Dense(tensor.contiguous(), shape, None)
    # channels_last and the like: saved as they lie in memory, and back the same
    return Dense(tensor.as_strided((tensor.numel(),), (1,)), shape, stride)


def _memory(tensor: Tensor) -> object:
    """Return what is equal for tensors that are the same elements of the same memory."""
    if tensor.numel() == 0:
        return object()
    return (
        tensor.device,
        tensor.data_ptr(),
        tensor.dtype,
        tuple(tensor.shape),
        tensor.stride(),
        tensor.is_conj(),
        tensor.is_neg(),
    )


def grad_of(tensor: Tensor) -> bool | None:
    """Return requires_grad of a parameter, None for any other tensor."""
    import torch

    return tensor.requires_grad if type(tensor) is torch.nn.Parameter else None
