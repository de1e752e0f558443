"""Write the ``data.pkl`` that plain ``torch.load(path, weights_only=True)`` reads.

The bytes are put together here, opcode by opcode, from plain values and tensor places: pickle
itself is never asked, so nothing but these can get in. Protocol 2. Only three callables are named,
all of which ``weights_only`` allows: ``torch._utils._rebuild_tensor_v2``, ``_rebuild_tensor_v3``
(for dtypes without a storage class of their own) and ``collections.OrderedDict``.

Equal values give equal bytes, so a file can be checked by writing them again.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

_STORAGE = {
    "bfloat16": "BFloat16Storage",
    "bool": "BoolStorage",
    "complex128": "ComplexDoubleStorage",
    "complex64": "ComplexFloatStorage",
    "float16": "HalfStorage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
}
_TEXT = struct.Struct("<cI").pack
_INT32 = 1 << 31
_BYTE = 255


class TensorPlace(NamedTuple):
    """A tensor that fills the member ``data/<key>`` of the zip."""

    key: int
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    length: int
    """Elements for a dtype with a storage class of its own, bytes for the others."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """An ``OrderedDict`` with a ``_metadata`` attribute, as a state_dict is."""

    items: dict[str, Any]
    metadata: dict[str, Any]


def dump(value: object) -> bytes:
    """Return the pickle of plain values, :class:`TensorPlace` and :class:`Ordered`.

    >>> import pickle
    >>> pickle.loads(dump({"a": [1, 2.5, None, True], "b": -(2**40)}))
    {'a': [1, 2.5, None, True], 'b': -1099511627776}
    """
    writer = _Writer()
    writer.write(value)
    return b"\x80\x02" + b"".join(writer.out) + b"."


def has_storage_class(dtype: str) -> bool:
    """Tell whether torch names a storage class for the dtype."""
    return dtype in _STORAGE


class _Writer:
    def __init__(self) -> None:
        self.out: list[bytes] = []
        self._memo: dict[str, bytes] = {}
        self._keys: dict[str, bytes] = {}
        """Names of tensors as they are written, since each comes several times."""
        self._around: dict[str, tuple[bytes, bytes, bytes]] = {}
        """What surrounds the numbers of a tensor, by dtype, once all its names are in the memo."""

    def write(self, value: object) -> None:
        out = self.out
        if value is None:
            out.append(b"N")
        elif value is True:
            out.append(b"\x88")
        elif value is False:
            out.append(b"\x89")
        elif isinstance(value, int):
            out.append(_integer(value))
        elif isinstance(value, float):
            out.append(b"G" + struct.pack(">d", value))
        elif isinstance(value, str):
            out.append(_text(value))
        elif isinstance(value, TensorPlace):
            self._tensor(value)
        elif isinstance(value, Ordered):
            self._global("collections", "OrderedDict")
            out.append(b")R")
            self._items(value.items)
            out.append(b"}" + _text("_metadata"))
            self._global("collections", "OrderedDict")
            out.append(b")R")
            self._items(value.metadata)
            out.append(b"sb")
        elif isinstance(value, dict):
            out.append(b"}")
            self._items(value)
        elif isinstance(value, list):
            out.append(b"](")
            for item in value:
                self.write(item)
            out.append(b"e")
        else:
            raise TypeError(f"no plain value: {type(value).__name__}")

    def _items(self, items: dict[str, Any]) -> None:
        self.out.append(b"(")
        append, tensor, keys = self.out.append, self._tensor, self._keys
        for key, value in items.items():
            if (text := keys.get(key)) is None:
                text = keys[key] = _text(key)
            append(text)
            kind = type(value)  # these are all there is a thousand of
            if kind is TensorPlace:
                tensor(value)
            elif kind is str:
                append(_text(value))
            elif kind is bool:
                append(b"\x88" if value else b"\x89")
            elif kind is dict:
                append(b"}")
                self._items(value)
            else:
                self.write(value)
        append(b"u")

    def _tensor(self, place: TensorPlace) -> None:
        if (around := self._around.get(place.dtype)) is not None:
            before, cpu, after = around
            numbers = _numbers(place.length, place.shape, place.stride)
            self.out += before, _text(str(place.key)), cpu, numbers, after
            return
        known = place.dtype in _STORAGE
        self._global("torch._utils", "_rebuild_tensor_v2" if known else "_rebuild_tensor_v3")
        self.out.append(b"((")
        self._once("storage", _text("storage"))
        if known:
            self._global("torch", _STORAGE[place.dtype])
        else:
            self._global("torch.storage", "UntypedStorage")
        self.out.append(_text(str(place.key)))
        self._once("cpu", _text("cpu"))
        self.out.append(_numbers(place.length, place.shape, place.stride))
        self._global("collections", "OrderedDict")
        self.out.append(b")R")
        if not known:
            self._global("torch", place.dtype)
        self.out.append(b"tR")
        rebuild, storage, last = (
            ("_rebuild_tensor_v2", f"torch {_STORAGE[place.dtype]}", b"")
            if known
            else (
                "_rebuild_tensor_v3",
                "torch.storage UntypedStorage",
                self._memo[f"torch {place.dtype}"],
            )
        )
        memo = self._memo
        before = memo[f"torch._utils {rebuild}"] + b"((" + memo["storage"] + memo[storage]
        after = memo["collections OrderedDict"] + b")R" + last + b"tR"
        self._around[place.dtype] = before, memo["cpu"], after

    def _global(self, module: str, name: str) -> None:
        self._once(f"{module} {name}", f"c{module}\n{name}\n".encode())

    def _once(self, key: str, opcodes: bytes) -> None:
        if (get := self._memo.get(key)) is None:
            number = len(self._memo)  # stays below 256: each is a name from this module
            self.out.append(opcodes + b"q" + bytes([number]))
            self._memo[key] = b"h" + bytes([number])
        else:
            self.out.append(get)


@functools.lru_cache(maxsize=1024)
def _numbers(length: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Return the end of a storage's name, and offset, shape, stride and requires_grad."""
    return b"".join(
        (
            _integer(length),
            b"tQK\x00(",
            *map(_integer, shape),
            b"t(",
            *map(_integer, stride),
            b"t\x89",
        )
    )


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return _TEXT(b"X", len(data)) + data


@functools.lru_cache(maxsize=1024)
def _integer(value: int) -> bytes:
    if 0 <= value <= _BYTE:
        return b"K" + bytes([value])
    if -_INT32 <= value < _INT32:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data
