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

import json
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from expcore import digest_bytes

from ._bytes import dtype_name
from ._index import ITEM_SIZES, Index, TensorRecord, index_tree
from ._index_read import index_from_tree
from ._json import parse
from ._output import NO_DIGEST, Copies
from ._write import dense_on_cpu, grad_of
from .errors import CorruptError, FormatError, UnsaveableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ._output import Output

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
_METADATA = "__metadata__"
TOLD = "torch_saveload"
DIGEST = "torch_saveload.digest"
_MAX_HEADER = 100_000_000


def write_safetensors(file: Output, index: Index, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file.

    Args:
        file: Where the bytes go, from the first on.
        index: All that is known, without the tensors.
        tensors: The tensors by name, on any device.

    Raises:
        UnsaveableError: The format has no such dtype.
    """
    unique = untied(index, tensors)
    records = described(unique)
    digests = write_part(file, unique, records, metadata_of(index, records))
    records = {name: records[name]._replace(digest=digests[name]) for name in records}
    # The digests stand before what they are of: they are written once that is.
    file.corrections.append((0, header_of(records, metadata_of(index, records))))


def untied(index: Index, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the later names of tied ones.

    Raises:
        UnsaveableError: The format has no such dtype, or another use for a name.
    """
    if _METADATA in tensors:
        found = "what the format calls something else"
        remedy = "give it another name, or use .pth"
        raise UnsaveableError(index.class_name, f"tensor {_METADATA}", found, remedy)
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
    """Return what is known of tensors that have neither place nor digest yet."""
    return {
        # The format knows no strides: channels_last is written row by row.
        name: TensorRecord(
            dtype_name(tensor.dtype), tuple(tensor.shape), 0, tensor.nbytes, NO_DIGEST,
            grad=grad_of(tensor),
        )
        for name, tensor in tensors.items()
    }  # fmt: skip


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
    file: Output,
    tensors: Mapping[str, Tensor],
    records: Mapping[str, TensorRecord],
    metadata: Mapping[str, str],
) -> dict[str, str]:
    """Write tensors and metadata as a file, and return the digests of the tensors."""
    records = {name: records[name] for name in tensors}
    file.write(header_of(records, metadata))
    digests: dict[str, str] = {}
    for name in _ordered(records):
        dense = dense_on_cpu(tensors[name].contiguous())
        copies = Copies(dense.elements, file.advance)
        for piece in copies:
            file.write(piece)
        digests[name] = copies.digest
    return digests


def header_of(records: Mapping[str, TensorRecord], metadata: Mapping[str, str]) -> bytes:
    """Return the beginning of a file, up to the first tensor."""
    header: dict[str, Any] = {_METADATA: {"format": "pt", **metadata}}
    at = 0
    for name in _ordered(records):
        record = records[name]
        header[name] = {
            "dtype": _DTYPES[record.dtype],
            "shape": record.shape,
            "data_offsets": (at, at + record.size),
        }
        at += record.size
    data = json.dumps(header, separators=(",", ":")).encode()
    data += b" " * (-(8 + len(data)) % _ALIGNMENT)
    return struct.pack("<Q", len(data)) + data


def _ordered(records: Mapping[str, TensorRecord]) -> list[str]:
    return sorted(records, key=lambda name: (-ITEM_SIZES[records[name].dtype], name))


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
    metadata: dict[str, str] = header.pop(_METADATA, {})
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
