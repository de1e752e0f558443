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

from ._bytes import dtype_name, tensor_bytes
from ._index import ITEM_SIZES, Index, TensorRecord, index_tree
from ._index_read import index_from_tree
from ._json import parse
from ._write import dense_on_cpu, record_of
from .errors import CorruptError, FormatError, UnsaveableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ._bytes import Sink

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
TOLD = "torch_saveload"
DIGEST = "torch_saveload.digest"
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
    unique = untied(index, tensors)
    records = described(unique)
    placed = write_part(file, unique, records, metadata_of(index, records))
    first = {name: tie[0] for tie in index.ties for name in tie}
    return dataclasses.replace(
        index, tensors={name: placed[first.get(name, name)] for name in tensors}
    )


def untied(index: Index, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the later names of tied ones.

    Raises:
        UnsaveableError: The format has no such dtype.
    """
    follows = {name for tie in index.ties for name in tie[1:]}
    unique = {name: tensor for name, tensor in tensors.items() if name not in follows}
    for name, tensor in unique.items():
        if (dtype := dtype_name(tensor.dtype)) not in _DTYPES:
            raise UnsaveableError(
                index.class_name,
                f"tensor {name}",
                dtype,
                "safetensors has no such dtype: use .pth",
            )
    return unique


def described(tensors: Mapping[str, Tensor]) -> dict[str, TensorRecord]:
    """Return what is known of tensors that have no place yet."""
    records: dict[str, TensorRecord] = {}
    for name, tensor in tensors.items():
        # The format knows no strides: channels_last is written row by row.
        dense = dense_on_cpu(tensor.contiguous())
        records[name] = record_of(tensor, dense, tensor_bytes(dense.elements), 0)
    return records


def metadata_of(index: Index, records: Mapping[str, TensorRecord]) -> dict[str, str]:
    """Return what the metadata says of a model: all but its numbers."""
    tree = index_tree(index)
    tree["tensors"] = {
        name: {"digest": record.digest, **({} if record.grad is None else {"grad": record.grad})}
        for name, record in records.items()
    }
    told = json.dumps(tree, separators=(",", ":"), allow_nan=False)
    return {TOLD: told, DIGEST: digest_bytes(told.encode())}


def write_part(
    file: Sink,
    tensors: Mapping[str, Tensor],
    records: Mapping[str, TensorRecord],
    metadata: Mapping[str, str],
) -> dict[str, TensorRecord]:
    """Write tensors and metadata as a file, and return the records with their places."""
    order = sorted(tensors, key=lambda name: (-ITEM_SIZES[records[name].dtype], name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
    at = 0
    for name in order:
        record = records[name]
        header[name] = {
            "dtype": _DTYPES[record.dtype],
            "shape": record.shape,
            "data_offsets": (at, at + record.size),
        }
        at += record.size
    data = json.dumps(header, separators=(",", ":")).encode()
    data += b" " * (-(8 + len(data)) % _ALIGNMENT)
    file.write(struct.pack("<Q", len(data)) + data)
    for name in order:
        dense = dense_on_cpu(tensors[name].contiguous())
        file.write(tensor_bytes(dense.elements))
    start = 8 + len(data)
    return {
        name: records[name]._replace(offset=start + header[name]["data_offsets"][0])
        for name in tensors
    }


def read_safetensors(file: BinaryIO, path: str, file_size: int) -> Index:
    """Read the header of a safetensors file, believing nothing of it.

    Raises:
        FormatError: It is none, or contradicts itself.
    """
    try:
        entries, metadata = read_header(file, path, file_size)
        tree = merged(entries, metadata, path)
    except FormatError:
        raise
    except Exception as error:  # whatever the damage leads to
        raise FormatError(path, f"no safetensors file ({error!r})") from error
    return index_from_tree(tree, path, file_size)


def read_header(
    file: BinaryIO, path: str, file_size: int, shift: int = 0
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Read what a header says of tensors, in the words of the index, and its metadata.

    Args:
        file: Open at its beginning.
        path: The file, for the errors.
        file_size: Its bytes.
        shift: Added to the places of the tensors.

    Raises:
        FormatError: It is no such file. A damaged one may raise anything.
    """
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(_MAX_HEADER, file_size - 8):
        raise FormatError(path, "neither a zip nor a safetensors file")
    header: Any = parse(file.read(length))
    metadata: dict[str, str] = header.pop("__metadata__", {})
    start = 8 + length + shift
    entries: dict[str, dict[str, Any]] = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if not isinstance(end, int) or not 0 <= end <= file_size - 8 - length:
            raise FormatError(path, f"tensor {name!r} ends past the file: it was cut off")
        entries[name] = {
            "dtype": _NAMES.get(entry["dtype"], entry["dtype"]),
            "shape": entry["shape"],
            "at": [start + begin, end - begin],
        }
    return entries, metadata


def merged(entries: dict[str, dict[str, Any]], metadata: Mapping[str, str], path: str) -> Any:
    """Return the index of tensors and metadata, as JSON holds it.

    Raises:
        CorruptError: The metadata is not what was saved. Other damage may raise anything.
    """
    told = metadata.get(TOLD)
    if told is not None and digest_bytes(told.encode()) != metadata.get(DIGEST):
        raise CorruptError(path, "its metadata is not what was saved")
    tree: Any = parse(told) if told is not None else _bare_tree()
    facts = tree["tensors"]
    if missing := facts.keys() - entries.keys():
        raise FormatError(path, f"does not hold {', '.join(sorted(missing))}")
    tree["tensors"] = {
        name: {"digest": "", **entry, **facts.get(name, {})} for name, entry in entries.items()
    }
    for tie in tree["ties"]:
        for name in tie[1:]:
            tree["tensors"][name] = tree["tensors"][tie[0]]
    return tree


def _bare_tree() -> dict[str, Any]:
    """Return the index of a file that says nothing but its tensors."""
    return index_tree(
        Index(class_name="", version=None, config={}, tensors={}, torch="", writer="another")
    )
