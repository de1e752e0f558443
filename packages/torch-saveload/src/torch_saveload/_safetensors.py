"""Write and read the safetensors format, with all that the index says in its metadata.

The file is eight bytes (the length of the header, little-endian), the header as JSON, the data::

    {"__metadata__": {"format": "pt", "torch_saveload": "{...}",
                      "torch_saveload.digest": "xxh3_128:..."},
     "fc.weight": {"dtype": "F32", "shape": [5, 3], "data_offsets": [0, 60]}, ...}

``torch_saveload`` is the index of :mod:`torch_saveload._index`, in which ``tensors`` keeps only
digest and requires_grad. Tied parameters are written once, under their first name. Tensors are
ordered by element size, so that each is aligned. A file without that metadata holds tensors only.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from expcore import digest_bytes

from ._bytes import tensor_bytes
from ._index import ITEM_SIZES, Index, TensorRecord, index_from_tree, index_tree
from ._write import dense_on_cpu, record_of
from .errors import CorruptError, FormatError, UnsaveableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ._direct import Sink

_DTYPES = {
    "bfloat16": "BF16",
    "bool": "BOOL",
    "complex64": "C64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "int8": "I8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "uint8": "U8",
}
_NAMES = {short: name for name, short in _DTYPES.items()}
_ALIGNMENT = 64
_DIGEST = "torch_saveload.digest"
_MAX_HEADER = 100_000_000


def write_safetensors(file: Sink, index: Index, tensors: Mapping[str, Tensor]) -> Index:
    """Write a safetensors file.

    Args:
        file: Where the bytes go, from the first on.
        index: All that is known, without the tensors.
        tensors: The tensors by name, on any device.

    Returns:
        The index with the tensors' places.

    Raises:
        UnsaveableError: The format has no such dtype.
    """
    follows = {name: tie[0] for tie in index.ties for name in tie[1:]}
    unique = {name: tensor for name, tensor in tensors.items() if name not in follows}
    for name, tensor in unique.items():
        if (dtype := _dtype(tensor)) not in _DTYPES:
            raise UnsaveableError(
                index.class_name,
                f"tensor {name}",
                dtype,
                "safetensors has no such dtype: use .pth",
            )
    order = sorted(unique, key=lambda name: (-ITEM_SIZES[_dtype(unique[name])], name))
    records: dict[str, TensorRecord] = {}
    at = 0
    for name in order:
        # The format knows no strides: channels_last is written row by row.
        row_by_row = unique[name].contiguous()
        record = record_of(row_by_row, dense_on_cpu(row_by_row), at)
        records[name] = record
        at += record.size
    header = _header(index, records)
    start = len(header)
    file.write(header)
    for name in order:
        dense = dense_on_cpu(unique[name].contiguous())
        file.write(tensor_bytes(dense.elements))
    placed = {
        name: record._replace(offset=record.offset + start) for name, record in records.items()
    }
    return dataclasses.replace(
        index, tensors={name: placed[follows.get(name, name)] for name in tensors}
    )


def read_safetensors(file: BinaryIO, path: str, file_size: int) -> Index:
    """Read the header of a safetensors file, believing nothing of it.

    Raises:
        FormatError: It is none, or contradicts itself.
    """
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(_MAX_HEADER, file_size - 8):
        raise FormatError(path, "neither a zip nor a safetensors file")
    try:
        header: Any = json.loads(file.read(length))
        metadata: dict[str, str] = header.pop("__metadata__", {})
        told = metadata.get("torch_saveload")
        if told is not None and digest_bytes(told.encode()) != metadata.get(_DIGEST):
            raise CorruptError(path, "its metadata is not what was saved")  # noqa: TRY301
        tree: Any = json.loads(told) if told is not None else _bare_tree()
        facts = tree["tensors"]
        tree["tensors"] = {
            name: {
                "dtype": _NAMES.get(entry["dtype"], entry["dtype"]),
                "shape": entry["shape"],
                "at": [
                    8 + length + entry["data_offsets"][0],
                    entry["data_offsets"][1] - entry["data_offsets"][0],
                ],
                "digest": "",
                **facts.get(name, {}),
            }
            for name, entry in header.items()
        }
        for tie in tree["ties"]:
            for name in tie[1:]:
                tree["tensors"][name] = tree["tensors"][tie[0]]
    except CorruptError:
        raise
    except Exception as error:  # whatever the damage leads to
        raise FormatError(path, f"no safetensors file ({error!r})") from error
    return index_from_tree(tree, path, file_size)


def _header(index: Index, records: Mapping[str, TensorRecord]) -> bytes:
    tree = index_tree(index)
    tree["tensors"] = {
        name: {"digest": record.digest, **({} if record.grad is None else {"grad": record.grad})}
        for name, record in records.items()
    }
    told = json.dumps(tree, separators=(",", ":"), allow_nan=False)
    metadata = {"format": "pt", "torch_saveload": told, _DIGEST: digest_bytes(told.encode())}
    header: dict[str, Any] = {"__metadata__": metadata}
    for name, record in records.items():
        header[name] = {
            "dtype": _DTYPES[record.dtype],
            "shape": record.shape,
            "data_offsets": (record.offset, record.offset + record.size),
        }
    data = json.dumps(header, separators=(",", ":")).encode()
    data += b" " * (-(8 + len(data)) % _ALIGNMENT)
    return struct.pack("<Q", len(data)) + data


def _bare_tree() -> dict[str, Any]:
    """Return the index of a file that says nothing but its tensors."""
    return index_tree(
        Index(class_name="", version=None, config={}, tensors={}, torch="", writer="another")
    )


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
