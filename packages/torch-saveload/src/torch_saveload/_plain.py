"""Turn constructor arguments into plain data, and back.

Plain data is what JSON holds: null, booleans, integers of 64 bits, finite floats, strings, lists,
and dictionaries with string keys. Everything else is a dictionary with the key ``"$"``::

    {"$": "tuple" | "set" | "frozenset", "items": [...]}
    {"$": "dict" | "OrderedDict", "items": [[key, value], ...]}   other keys than strings, or a "$"
    {"$": "int", "hex": "-0xff..."}            {"$": "float", "hex": "inf"}
    {"$": "complex", "real": x, "imag": y}     {"$": "bytes", "base64": "..."}
    {"$": "slice" | "range", "items": [start, stop, step]}        {"$": "ellipsis"}
    {"$": "path" | "pure path", "value": "a/b"}
    {"$": "dtype" | "device" | "memory format", "name": "float32"}
    {"$": "torch size", "items": [...]}
    {"$": "tensor", "dtype": "float32", "shape": [2], "base64": "..."}
    {"$": "numpy", "dtype": "<f8", "shape": [2] or null for a scalar, "base64": "..."}
    {"$": "enum", "type": "Color", "name": "RED"}
    {"$": "dataclass", "type": "Options", "fields": {...}}
    {"$": "namedtuple", "type": "Point", "items": [...]}
    {"$": "registered", "type": "Fraction", "data": ...}
    {"$": "class", "name": "nn.GELU"}          {"$": "function", "name": "nn.functional.gelu"}
    {"$": "partial", "function": ..., "args": [...], "kwargs": {...}}
    {"$": "module", "type": "Encoder", "config": {...}}           a decorated module
    {"$": "same", "module": 0}                 the module met as number 0, counted from the left
    {"$": "stored", "name": "fc._extra_state[0]"}                 a tensor of the file, in an extra
                                               state only; "parameter": true, and "quantized":
                                               {"dtype", "scale", "zero_point", "axis"} if it is
    {"$": "default"}                           whatever the default of the parameter is

Names are looked up in :mod:`torch_saveload._registry`. Nothing is imported, no code is stored.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import functools
import math
import pathlib
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._bytes import tensor_bytes, tensor_from_bytes
from ._index import ITEM_SIZES
from ._quantized import quantization, requantized
from ._registry import (
    MAX_DEPTH,
    KnownTypes,
    registered,
    registered_name,
    torch_name,
    torch_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

MAX_TENSOR_BYTES = 1 << 16
EXTRA_STATE = "the extra state "
_INT64 = 1 << 63
_KNOW_HOW = "torch_saveload.register_type({name}, encode, decode) makes it known"


class Unencodable(Exception):
    """A value has no plain form."""

    def __init__(self, where: str, found: str, remedy: str) -> None:
        super().__init__(where, found, remedy)
        self.where, self.found, self.remedy = where, found, remedy


class Undecodable(Exception):
    """Plain data makes no value."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where, self.problem = where, problem


class Encoder:
    """Encode the arguments of one call; a module met twice stays one module."""

    def __init__(
        self,
        known: KnownTypes,
        config_of: Callable[[object], Any],
        tensors: dict[str, Tensor] | None = None,
    ) -> None:
        """Prepare to encode.

        Args:
            known: What is known of types.
            config_of: Returns the class name and config of a module.
            tensors: Where to put tensors, which are then stored beside the plain data.
        """
        self._tensors = tensors
        self._known = known
        self._config_of = config_of
        self._modules: dict[int, int] = {}

    def encode(self, value: object, where: str, depth: int = 0) -> Any:
        """Return the plain form of a value.

        Raises:
            Unencodable: It has none; says where, and what helps.
        """
        if depth > MAX_DEPTH:
            raise Unencodable(where, f"nested more than {MAX_DEPTH} deep", "flatten it")
        kind: Any = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if isinstance(value, int) and kind is int:
            return value if -_INT64 <= value < _INT64 else {"$": "int", "hex": hex(value)}
        if isinstance(value, float) and kind is float:
            return value if math.isfinite(value) else {"$": "float", "hex": value.hex()}
        if entry := registered(kind):
            if entry.encode is not None:
                data = self.encode(entry.encode(value), where, depth + 1)
                return {"$": "registered", "type": entry.name, "data": data}
        elif (container := self._container(value, where, depth + 1)) is not None:
            return container
        for form in (self._simple, self._torch, self._numpy):
            if (encoded := form(value, where)) is not None:
                return encoded
        if (typed := self._typed(value, where, depth + 1)) is not None:
            return typed
        return self._callable(value, where, depth + 1)

    def _many(self, values: Any, where: str, depth: int) -> list[Any]:
        return [self.encode(v, f"{where}[{i}]", depth) for i, v in enumerate(values)]

    def _container(self, value: Any, where: str, depth: int) -> Any:
        kind: Any = type(value)
        if kind is list:
            return self._many(value, where, depth)
        if kind is tuple:
            return {"$": "tuple", "items": self._many(value, where, depth)}
        if kind in (set, frozenset):
            items = sorted(self._many(value, where, depth), key=repr)
            return {"$": kind.__name__, "items": items}
        if kind is dict and "$" not in value and all(type(key) is str for key in value):
            return {k: self.encode(v, f"{where}[{k!r}]", depth) for k, v in value.items()}
        if kind in (dict, OrderedDict):
            items = [
                [
                    self.encode(k, f"key of {where}", depth),
                    self.encode(v, f"{where}[{k!r}]", depth),
                ]
                for k, v in value.items()
            ]
            return {"$": kind.__name__, "items": items}
        return None

    def _simple(self, value: Any, where: str) -> Any:
        kind: Any = type(value)
        if kind is complex:
            parts = (value.real, value.imag)
            return {
                "$": "complex",
                "real": self.encode(parts[0], where),
                "imag": self.encode(parts[1], where),
            }
        if kind in (bytes, bytearray):
            return {"$": kind.__name__, "base64": base64.b64encode(value).decode()}
        if kind in (slice, range):
            items = [self.encode(part, where) for part in (value.start, value.stop, value.step)]
            return {"$": kind.__name__, "items": items}
        if value is ...:
            return {"$": "ellipsis"}
        if isinstance(value, pathlib.PurePath):
            tag = "path" if isinstance(value, pathlib.Path) else "pure path"
            return {"$": tag, "value": value.as_posix()}
        return None

    def _torch(self, value: Any, where: str) -> Any:
        import torch

        if isinstance(value, torch.dtype):
            return {"$": "dtype", "name": str(value).removeprefix("torch.")}
        if isinstance(value, torch.memory_format):
            return {"$": "memory format", "name": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device):
            return {"$": "device", "name": str(value)}
        if type(value) is torch.Size:
            return {"$": "torch size", "items": list(value)}
        if self._tensors is not None and type(value) in (torch.Tensor, torch.nn.Parameter):
            return self._store(value, where.removeprefix(EXTRA_STATE), self._tensors)
        if type(value) is torch.Tensor:
            dtype = str(value.dtype).removeprefix("torch.")
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
            return {"$": "tensor", "dtype": dtype, "shape": list(value.shape), "base64": data}
        return None

    def _store(self, value: Tensor, name: str, tensors: dict[str, Tensor]) -> Any:
        """Put a tensor beside the plain data; a quantized one as its integers."""
        encoded: dict[str, Any] = {"$": "stored", "name": name}
        if _is_parameter(value):
            encoded["parameter"] = True
        value = value.detach()
        if value.is_quantized:
            encoded["quantized"] = quantization(value)
            value = value.int_repr()
        tensors[name] = value
        return encoded

    def _numpy(self, value: Any, where: str) -> Any:
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

    def _typed(self, value: Any, where: str, depth: int) -> Any:
        kind: Any = type(value)
        name = kind.__qualname__
        if isinstance(value, enum.Enum):
            encoded: Any = {"$": "enum", "type": name, "name": value.name}
        elif isinstance(value, tuple) and hasattr(kind, "_fields"):
            encoded = {"$": "namedtuple", "type": name, "items": self._many(value, where, depth)}
        elif (module := self._config_of(value)) is not None:
            if id(value) in self._modules:
                return {"$": "same", "module": self._modules[id(value)]}
            self._modules[id(value)] = len(self._modules)
            class_name, config = module
            return {"$": "module", "type": class_name, "config": config}
        elif dataclasses.is_dataclass(value) and not _is_module(value):
            fields = {
                f.name: self.encode(getattr(value, f.name), f"{where}.{f.name}", depth)
                for f in dataclasses.fields(value)
            }
            encoded = {"$": "dataclass", "type": name, "fields": fields}
        else:
            return None
        if entry := registered(kind):
            encoded["type"] = entry.name
        elif self._known.get(name) is not kind:
            raise Unencodable(
                where,
                f"a {name}, a type that neither the annotations nor the defaults of "
                f"{self._known.cls.__qualname__}.__init__ name",
                f"annotate the parameter, or call torch_saveload.register_type({name})",
            )
        return encoded

    def _callable(self, value: Any, where: str, depth: int) -> Any:
        if isinstance(value, functools.partial):
            return {
                "$": "partial",
                "function": self.encode(value.func, f"{where}.func", depth),
                "args": self._many(value.args, f"{where}.args", depth),
                "kwargs": {
                    k: self.encode(v, f"{where}.{k}", depth) for k, v in value.keywords.items()
                },
            }
        if isinstance(value, type) and (entry := registered(value)):
            return {"$": "class", "name": entry.name}
        if callable(value) and (name := torch_name(value)):
            return {"$": "class" if isinstance(value, type) else "function", "name": name}
        raise Unencodable(where, *_describe(value))


class Decoder:
    """Decode the arguments of one call."""

    def __init__(
        self,
        known: KnownTypes,
        build: Callable[[str, Any, str], object],
        stored: Callable[[str], Tensor] | None = None,
    ) -> None:
        """Prepare to decode.

        Args:
            known: What is known of types.
            build: Builds a module from its name, its config and where it stands.
            stored: Returns a tensor that is stored beside the plain data.
        """
        self._stored = stored
        self._known = known
        self._build = build
        self._modules: list[object] = []

    def decode(self, data: Any, where: str, depth: int = 0) -> Any:
        """Return the value of plain data.

        Raises:
            Undecodable: It is malformed, or names what is not known.
        """
        if depth > MAX_DEPTH:
            raise Undecodable(where, f"nested more than {MAX_DEPTH} deep")
        if isinstance(data, list):
            return self._many(data, where, depth)
        if not isinstance(data, dict):
            return data
        if "$" not in data:
            return {k: self.decode(v, f"{where}[{k!r}]", depth + 1) for k, v in data.items()}
        try:
            if simple := _SIMPLE_FORMS.get(data["$"]):
                return simple(data)
            if form := _FORMS.get(data["$"]):
                return form(self, data, where, depth + 1)
            raise Undecodable(where, f"unknown form {data['$']!r}")  # noqa: TRY301
        except Undecodable:
            raise
        except Exception as error:  # a hostile or damaged form: never a bare KeyError
            raise Undecodable(where, f"malformed {data['$']!r}: {error!r}") from error

    def _many(self, items: list[Any], where: str, depth: int) -> list[Any]:
        return [self.decode(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(items)]

    def tuple_(self, data: Any, where: str, depth: int) -> object:
        return tuple(self._many(data["items"], where, depth))

    def set_(self, data: Any, where: str, depth: int) -> object:
        return set(self._many(data["items"], where, depth))

    def frozenset_(self, data: Any, where: str, depth: int) -> object:
        return frozenset(self._many(data["items"], where, depth))

    def dict_(self, data: Any, where: str, depth: int) -> object:
        return {
            self.decode(k, where, depth): self.decode(v, where, depth) for k, v in data["items"]
        }

    def ordered_dict_(self, data: Any, where: str, depth: int) -> object:
        return OrderedDict(
            (self.decode(k, where, depth), self.decode(v, where, depth)) for k, v in data["items"]
        )

    def complex_(self, data: Any, where: str, depth: int) -> object:
        return complex(
            self.decode(data["real"], where, depth), self.decode(data["imag"], where, depth)
        )

    def slice_(self, data: Any, where: str, depth: int) -> object:
        return slice(*self._many(data["items"], where, depth))

    def range_(self, data: Any, where: str, depth: int) -> object:
        return range(*self._many(data["items"], where, depth))

    def numpy_(self, data: Any, where: str, depth: int) -> object:  # noqa: ARG002
        import numpy as np

        dtype = np.dtype(str(data["dtype"]))
        if dtype.kind not in "biufc":
            raise Undecodable(where, f"unknown dtype {data['dtype']!r}")
        array = np.frombuffer(base64.b64decode(data["base64"], validate=True), dtype).copy()
        return array[0] if data["shape"] is None else array.reshape(data["shape"])

    def enum_(self, data: Any, where: str, depth: int) -> object:  # noqa: ARG002
        return self._type(data["type"], where, enum.Enum)[data["name"]]

    def namedtuple_(self, data: Any, where: str, depth: int) -> object:
        kind = self._type(data["type"], where, tuple)
        return kind._make(self._many(data["items"], where, depth))

    def dataclass_(self, data: Any, where: str, depth: int) -> object:
        kind = self._type(data["type"], where, object)
        fields = {f.name: f for f in dataclasses.fields(kind)}
        if extra := sorted(data["fields"].keys() - fields):
            raise Undecodable(where, f"{data['type']} has no field {', '.join(extra)} any more")
        # Made without __init__: the fields are what they were, whatever __post_init__ does.
        value = object.__new__(kind)
        for name, field in fields.items():
            if name in data["fields"]:
                part = self.decode(data["fields"][name], f"{where}.{name}", depth)
            elif field.default is not dataclasses.MISSING:
                part = field.default
            elif field.default_factory is not dataclasses.MISSING:
                part = field.default_factory()
            else:
                raise Undecodable(where, f"the file has no value for {data['type']}.{name}")
            object.__setattr__(value, name, part)
        return value

    def registered_(self, data: Any, where: str, depth: int) -> object:
        entry = registered_name(data["type"])
        if entry is None or entry.decode is None:
            raise Undecodable(
                where,
                f"unknown type {data['type']!r}: {_KNOW_HOW.format(name=data['type'])}",
            )
        return entry.decode(self.decode(data["data"], where, depth))

    def class_(self, data: Any, where: str, depth: int) -> object:  # noqa: ARG002
        if entry := registered_name(data["name"]):
            return entry.type
        return self._from_torch(data["name"], where)

    def function_(self, data: Any, where: str, depth: int) -> object:  # noqa: ARG002
        return self._from_torch(data["name"], where)

    def partial_(self, data: Any, where: str, depth: int) -> object:
        function = self.decode(data["function"], where, depth)
        args = self._many(data["args"], where, depth)
        kwargs = {k: self.decode(v, where, depth) for k, v in data["kwargs"].items()}
        return functools.partial(function, *args, **kwargs)

    def module_(self, data: Any, where: str, depth: int) -> object:  # noqa: ARG002
        number = len(self._modules)
        self._modules.append(None)
        self._modules[number] = self._build(data["type"], data["config"], where)
        return self._modules[number]

    def same_(self, data: Any, where: str, depth: int) -> object:  # noqa: ARG002
        return self._modules[data["module"]]

    def stored_(self, data: Any, where: str, depth: int) -> object:  # noqa: ARG002
        import torch

        if self._stored is None:
            raise Undecodable(where, "no tensors are stored for arguments")
        value = self._stored(data["name"])
        if "quantized" in data:
            value = requantized(value, data["quantized"])
        return torch.nn.Parameter(value) if data.get("parameter") else value

    def _type(self, name: str, where: str, base: type) -> Any:
        found = self._known.get(name)
        if found is None or not issubclass(found, base):
            raise Undecodable(
                where,
                f"unknown type {name!r}: annotate the parameter, or call "
                f"torch_saveload.register_type({name}) before loading",
            )
        return found

    def _from_torch(self, name: str, where: str) -> object:
        value = torch_value(name)
        if value is None:
            raise Undecodable(where, f"unknown name {name!r}: {_KNOW_HOW.format(name=name)}")
        return value


_FORMS: dict[object, Callable[[Decoder, Any, str, int], object]] = {
    "tuple": Decoder.tuple_,
    "set": Decoder.set_,
    "frozenset": Decoder.frozenset_,
    "dict": Decoder.dict_,
    "OrderedDict": Decoder.ordered_dict_,
    "complex": Decoder.complex_,
    "slice": Decoder.slice_,
    "range": Decoder.range_,
    "numpy": Decoder.numpy_,
    "enum": Decoder.enum_,
    "namedtuple": Decoder.namedtuple_,
    "dataclass": Decoder.dataclass_,
    "registered": Decoder.registered_,
    "class": Decoder.class_,
    "function": Decoder.function_,
    "partial": Decoder.partial_,
    "module": Decoder.module_,
    "same": Decoder.same_,
    "stored": Decoder.stored_,
}


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
    return tensor_from_bytes(
        bytearray(_unpack(data["base64"])), data["dtype"], tuple(data["shape"])
    )


def _torch_constant(name: str, kind: str) -> object:
    import torch

    value = getattr(torch, name)
    if not isinstance(value, getattr(torch, kind)):
        raise TypeError(f"torch.{name} is no {kind}")
    return value


_SIMPLE_FORMS: dict[object, Callable[[Any], object]] = {
    "int": lambda data: int(data["hex"], 16),
    "float": lambda data: float.fromhex(data["hex"]),
    "bytes": lambda data: _unpack(data["base64"]),
    "bytearray": lambda data: bytearray(_unpack(data["base64"])),
    "ellipsis": lambda _: ...,
    "path": lambda data: pathlib.Path(data["value"]),
    "pure path": lambda data: pathlib.PurePath(data["value"]),
    "dtype": lambda data: _torch_constant(data["name"], "dtype"),
    "memory format": lambda data: _torch_constant(data["name"], "memory_format"),
    "device": lambda data: _device(data["name"]),
    "torch size": lambda data: _size(data["items"]),
    "tensor": _tensor,
}


def _is_parameter(value: object) -> bool:
    from torch.nn import Parameter

    return isinstance(value, Parameter)


def _is_module(value: object) -> bool:
    from torch import nn

    return isinstance(value, nn.Module)


def _describe(value: object) -> tuple[str, str]:
    """Say what a value without a plain form is, and what helps."""
    name = type(value).__qualname__
    if _is_module(value):
        return (
            f"a {name}, a module that is not decorated",
            f"decorate {name} with @save_load(), or pass what it is built from",
        )
    if callable(value) and hasattr(value, "__qualname__"):
        what = "class" if isinstance(value, type) else "function"
        return (
            f"the {what} {value.__qualname__}",
            "pass its name and look it up in __init__, or make it the parameter's default"
            + (", or register_type it" if what == "class" else ""),
        )
    return f"a {name}", _KNOW_HOW.format(name=name)
