r"""The index of a model file: all that is known about a model but its numbers.

A model file is a zip that torch can read (:mod:`torch_saveload._zip`), with the members::

    archive/data.pkl               for plain torch.load: a dictionary of
                                     model           the state_dict (tensors as torch saves them)
                                     config          the arguments, as in the index
                                     version         the version given to @save_load, or None
                                     torch_saveload  the header: format, class, torch, ties,
                                                     requires_grad, digests
                                   and, in a compressed file,
                                     compressed      name -> tensor of bytes; those names are
                                                     absent from model
    archive/byteorder              "little"
    archive/version                "3\\n", .format_version "1", .storage_alignment "64": torch's
    archive/data/0, 1, ...         the bytes of the tensors; tensors that share memory share one
    archive/torch_saveload.json    this index

The index is what this package reads; ``data.pkl`` is written from it and can be compared with it.
It is JSON in ASCII::

    {"format": 1, "writer": "torch_saveload 0.1.0", "torch": "2.13.0",
     "class": "MyModel",                      the __qualname__
     "version": "1.0",                        or null
     "config": {"width": 3},                  plain data, see _plain
     "tensors": {"fc.weight": {
         "dtype": "float32", "shape": [5, 3],
         "at": [1152, 60],                    offset in the file and size, in bytes
         "digest": "xxh3_128:...",            of the tensor's bytes, before compression
         "stride": [1, 5],                    only if not contiguous; always dense
         "grad": true,                        only for parameters: requires_grad
         "blocks": {...}}},                   only if compressed, see _compress
     "values": {"fc._extra_state": ...},      what else the state_dict holds, as plain data
     "ties": [["a.weight", "b.weight"]],      names of one and the same parameter
     "metadata": {"": {"version": 1}},        of the state_dict, per module
     "unsaved": {"table": "float16"}}         dtypes of floating-point buffers that are not in the
                                              state_dict; only if there are any

Two tensors lie in the same bytes of the file or in different ones, never half in half.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

FORMAT = 1
INDEX_NAME = "torch_saveload.json"
ITEM_SIZES = {
    "bfloat16": 2,
    "bool": 1,
    "complex128": 16,
    "complex32": 4,
    "complex64": 8,
    "float16": 2,
    "float32": 4,
    "float4_e2m1fn_x2": 1,
    "float64": 8,
    "float8_e4m3fn": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "int8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "uint8": 1,
}
"""Bytes per element of each dtype that can be saved."""

_BEFORE_TENSORS = ("format", "writer", "torch", "class", "version", "config")
_GRADS = {None: "", True: ',"grad":true', False: ',"grad":false'}


class Blocks(NamedTuple):
    """How the bytes of one tensor were compressed."""

    shuffle: int
    """Bytes per element whose planes were put together, or 1 for plain."""
    raw: int
    """Bytes of each block before compression, 64 MiB at most; the last one may be shorter."""
    sizes: tuple[int, ...]
    """Bytes of each block in the file, one after another."""


class TensorRecord(NamedTuple):
    """Where one tensor lies in the file, and what it is."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    digest: str
    stride: tuple[int, ...] | None = None
    grad: bool | None = None
    blocks: Blocks | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor in memory."""
        return math.prod(self.shape) * ITEM_SIZES[self.dtype]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What a model file says about its model."""

    class_name: str
    version: str | None
    config: dict[str, Any]
    tensors: dict[str, TensorRecord]
    torch: str
    writer: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    ties: tuple[tuple[str, ...], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    unsaved: dict[str, str] = field(default_factory=dict[str, str])


def encode_index(index: Index) -> bytes:
    """Write the index as JSON."""
    dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
    tree = index_tree(dataclasses.replace(index, tensors={}))
    rest = {key: tree.pop(key) for key in list(tree) if key not in _BEFORE_TENSORS}
    del rest["tensors"]
    # The tensors are written by hand, in half of the time: there may be thousands.
    quote, kinds = json.encoder.encode_basestring_ascii, dict[tuple[Any, ...], str]()
    entries: list[str] = []
    for name, record in index.tensors.items():
        if record.stride is not None or record.blocks is not None:
            entries.append(f"{quote(name)}:{dumps(_tensor_json(record))}")
            continue
        kind = record.dtype, record.shape
        if (text := kinds.get(kind)) is None:
            text = kinds[kind] = f'"dtype":"{record.dtype}","shape":{dumps(record.shape)}'
        grad = _GRADS[record.grad]
        entries.append(
            f'{quote(name)}:{{{text},"at":[{record.offset},{record.size}],'
            f'"digest":"{record.digest}"{grad}}}'
        )
    tensors = ",".join(entries)
    return f'{dumps(tree)[:-1]},"tensors":{{{tensors}}},{dumps(rest)[1:]}'.encode("ascii")


def index_tree(index: Index) -> dict[str, Any]:
    """Return the index as what JSON can hold."""
    tree = {
        "format": FORMAT,
        "writer": index.writer,
        "torch": index.torch,
        "class": index.class_name,
        "version": index.version,
        "config": index.config,
        "tensors": {name: _tensor_json(record) for name, record in index.tensors.items()},
        "values": index.values,
        "ties": [list(tie) for tie in index.ties],
        "metadata": index.metadata,
    }
    return {**tree, "unsaved": index.unsaved} if index.unsaved else tree


def _tensor_json(record: TensorRecord) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "dtype": record.dtype,
        "shape": record.shape,
        "at": (record.offset, record.size),
        "digest": record.digest,
    }
    if record.stride is not None:
        entry["stride"] = record.stride
    if record.grad is not None:
        entry["grad"] = record.grad
    if (blocks := record.blocks) is not None:
        entry["blocks"] = {"shuffle": blocks.shuffle, "raw": blocks.raw, "sizes": blocks.sizes}
    return entry


def is_dense(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Tell whether the elements fill their memory without gaps or overlaps."""
    if len(shape) != len(stride):
        return False
    expected = 1
    for step, side in sorted((s, n) for s, n in zip(stride, shape, strict=True) if n != 1):
        if step != expected:
            return False
        expected *= side
    return True


@functools.lru_cache(maxsize=1024)
def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the stride of a tensor laid out row by row, as torch gives it."""
    stride: list[int] = []
    step = 1
    for side in reversed(shape):
        stride.append(step)
        step *= max(side, 1)
    return tuple(reversed(stride))
