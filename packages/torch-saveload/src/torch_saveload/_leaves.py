"""Values without parts as plain data, and back; :mod:`torch_saveload._plain` lists the forms."""

from __future__ import annotations

import base64
import math
import pathlib
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from ._bytes import dtype_name, tensor_bytes, tensor_from_bytes
from ._index import ITEM_SIZES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

MAX_TENSOR_BYTES = 1 << 16
_INT64 = 1 << 63


class Unencodable(Exception):
    """A value has no plain form."""

    def __init__(self, where: str, found: str, remedy: str) -> None:
        super().__init__(where, found, remedy)
        self.where, self.found, self.remedy = where, found, remedy


def encode_number(value: Any) -> Any:
    """Return the plain form of an ``int`` or a ``float``."""
    if type(value) is int:
        return value if -_INT64 <= value < _INT64 else {"$": "int", "hex": hex(value)}
    return value if math.isfinite(value) else {"$": "float", "hex": value.hex()}


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Tell whether it is an ordinary tensor or parameter."""
    import torch

    return type(value) in (torch.Tensor, torch.nn.Parameter)


def encode_leaf(value: object, where: str) -> Any:
    """Return the plain form of a value, None if it is not one of these.

    Raises:
        Unencodable: It is an array that is too large, or of another kind than numbers.
    """
    encoded = _encode_python(value)
    if encoded is None:
        encoded = _encode_torch(value, where)
    return _encode_numpy(value, where) if encoded is None else encoded


def _encode_python(value: Any) -> Any:
    kind: Any = type(value)
    if kind is complex:
        return {
            "$": "complex",
            "real": encode_number(value.real),
            "imag": encode_number(value.imag),
        }
    if kind in (bytes, bytearray):
        return {"$": kind.__name__, "base64": base64.b64encode(value).decode()}
    if value is ...:
        return {"$": "ellipsis"}
    if isinstance(value, pathlib.PurePath):
        windows = isinstance(value, pathlib.PureWindowsPath)
        pure = "windows path" if windows else "posix path"
        tag = "path" if isinstance(value, pathlib.Path) else pure
        return {"$": tag, "value": value.as_posix()}
    return None


def _encode_torch(value: Any, where: str) -> Any:
    import torch

    if isinstance(value, torch.dtype):
        return {"$": "dtype", "name": str(value).removeprefix("torch.")}
    if isinstance(value, torch.memory_format):
        return {"$": "memory format", "name": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"$": "device", "name": str(value)}
    if type(value) is torch.Size:
        return {"$": "torch size", "items": list(value)}
    if type(value) is torch.Tensor:
        dtype = dtype_name(value.dtype)
        small = value.numel() * value.element_size() <= MAX_TENSOR_BYTES
        if (
            dtype not in ITEM_SIZES
            or value.layout is not torch.strided
            or value.is_meta
            or not small
        ):
            raise Unencodable(
                where,
                f"a {dtype} tensor of shape {list(value.shape)}",
                f"only ordinary tensors of up to {MAX_TENSOR_BYTES} bytes can be arguments: "
                "load larger ones into the model after it is built",
            )
        flat = value.detach().cpu().contiguous()
        data = base64.b64encode(tensor_bytes(flat)).decode()
        form = {"$": "tensor", "dtype": dtype, "shape": list(value.shape), "base64": data}
        return {**form, "requires_grad": True} if value.requires_grad else form
    return None


def _encode_numpy(value: Any, where: str) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
        return None
    array = numpy.asarray(value)
    if array.dtype.kind not in "biufc" or array.nbytes > MAX_TENSOR_BYTES:
        raise Unencodable(
            where,
            f"a numpy array of dtype {array.dtype} and shape {list(array.shape)}",
            f"only numbers of up to {MAX_TENSOR_BYTES} bytes can be arguments",
        )
    shape = list(array.shape) if isinstance(value, numpy.ndarray) else None
    little = array.astype(array.dtype.newbyteorder("<"))
    data = base64.b64encode(little.tobytes()).decode()
    return {"$": "numpy", "dtype": little.dtype.str, "shape": shape, "base64": data}


def _unpack(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _device(name: str) -> object:
    import torch

    return torch.device(name)


def _size(items: list[int]) -> object:
    import torch

    return torch.Size(items)


def _tensor(data: Any) -> object:
    if data["dtype"] not in ITEM_SIZES:
        raise ValueError(f"unknown dtype {data['dtype']!r}")
    tensor = tensor_from_bytes(
        bytearray(_unpack(data["base64"])), data["dtype"], tuple(data["shape"])
    )
    return tensor.requires_grad_(data.get("requires_grad", False))


def _numpy(data: Any) -> object:
    import numpy as np

    dtype = np.dtype(str(data["dtype"]))
    if dtype.kind not in "biufc":
        raise ValueError(f"unknown dtype {data['dtype']!r}")
    array = np.frombuffer(_unpack(data["base64"]), dtype).copy()
    return array[0] if data["shape"] is None else array.reshape(data["shape"])


def _torch_constant(name: str, kind: str) -> object:
    import torch

    value = getattr(torch, name)
    if not isinstance(value, getattr(torch, kind)):
        raise TypeError(f"torch.{name} is no {kind}")
    return value


DECODERS: dict[object, Callable[[Any], object]] = {
    "int": lambda data: int(data["hex"], 16),
    "float": lambda data: float.fromhex(data["hex"]),
    "bytes": lambda data: _unpack(data["base64"]),
    "bytearray": lambda data: bytearray(_unpack(data["base64"])),
    "ellipsis": lambda _: ...,
    "path": lambda data: pathlib.Path(data["value"]),
    "pure path": lambda data: pathlib.PurePath(data["value"]),
    "posix path": lambda data: pathlib.PurePosixPath(data["value"]),
    "windows path": lambda data: pathlib.PureWindowsPath(data["value"]),
    "dtype": lambda data: _torch_constant(data["name"], "dtype"),
    "memory format": lambda data: _torch_constant(data["name"], "memory_format"),
    "device": lambda data: _device(data["name"]),
    "torch size": lambda data: _size(data["items"]),
    "tensor": _tensor,
    "numpy": _numpy,
}
