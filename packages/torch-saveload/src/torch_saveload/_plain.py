"""Turn constructor arguments into plain data, and back.

Plain data is what JSON holds: null, booleans, integers of 64 bits, finite floats, strings, lists,
and dictionaries with string keys. Everything else is a dictionary with the key ``"$"``::

    {"$": "tuple" | "set" | "frozenset", "items": [...]}
    {"$": "dict" | "OrderedDict", "items": [[key, value], ...]}   other keys than strings, or a "$"
    {"$": "int", "hex": "-0xff..."}            {"$": "float", "hex": "inf"}
    {"$": "complex", "real": x, "imag": y}     {"$": "bytes", "base64": "..."}
    {"$": "slice" | "range", "items": [start, stop, step]}        {"$": "ellipsis"}
    {"$": "path" | "posix path" | "windows path", "value": "a/b"}   the last two pure; format 1
                                               also had "pure path", of the system that reads it
    {"$": "dtype" | "device" | "memory format", "name": "float32"}
    {"$": "torch size", "items": [...]}
    {"$": "tensor", "dtype": "float32", "shape": [2], "base64": "...",
     "requires_grad": true}                    the last only if so
    {"$": "numpy", "dtype": "<f8", "shape": [2] or null for a scalar, "base64": "..."}
    {"$": "enum", "type": "Color", "name": "RED"}          "value": 3 instead for several flags
    {"$": "dataclass", "type": "Options", "fields": {...},
     "others": {...}}                          attributes that are no fields; only if there are any
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

import dataclasses
import enum
import functools
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._leaves import Unencodable, encode_leaf, encode_number, is_tensor
from ._quantized import quantization
from ._registry import (
    KNOW_HOW,
    MAX_DEPTH,
    KnownTypes,
    belongs_to_class,
    registered,
    torch_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

EXTRA_STATE = "the extra state "


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
        if kind is int or kind is float:
            return encode_number(value)
        if entry := registered(kind):
            if entry.encode is not None:
                data = self.encode(entry.encode(value), where, depth + 1)
                return {"$": "registered", "type": entry.name, "data": data}
        elif (container := self._container(value, where, depth + 1)) is not None:
            return container
        if self._tensors is not None and is_tensor(value):
            return self._store(value, where.removeprefix(EXTRA_STATE), self._tensors)
        if (leaf := encode_leaf(value, where)) is not None:
            return leaf
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
        if kind in (slice, range):
            items = self._many((value.start, value.stop, value.step), where, depth)
            return {"$": kind.__name__, "items": items}
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

    def _store(self, value: Tensor, name: str, tensors: dict[str, Tensor]) -> Any:
        """Put a tensor beside the plain data; a quantized one as its integers."""
        encoded: dict[str, Any] = {"$": "stored", "name": name}
        from torch.nn import Parameter

        if isinstance(value, Parameter):
            encoded["parameter"] = True
        value = value.detach()
        if value.is_quantized:
            encoded["quantized"] = quantization(value)
            value = value.int_repr()
        tensors[name] = value
        return encoded

    def _typed(self, value: Any, where: str, depth: int) -> Any:
        kind: Any = type(value)
        name = kind.__qualname__
        if isinstance(value, enum.Enum):
            encoded: Any = {"$": "enum", "type": name}
            if value.name in kind.__members__:
                encoded["name"] = value.name
            else:
                encoded["value"] = self.encode(value.value, where, depth)
        elif isinstance(value, tuple) and hasattr(kind, "_fields"):
            encoded = {"$": "namedtuple", "type": name, "items": self._many(value, where, depth)}
        elif (module := self._config_of(value)) is not None:
            if id(value) in self._modules:
                return {"$": "same", "module": self._modules[id(value)]}
            self._modules[id(value)] = len(self._modules)
            class_name, config = module
            return {"$": "module", "type": class_name, "config": config}
        elif (
            dataclasses.is_dataclass(value)
            and not isinstance(value, type)
            and not _is_module(value)
        ):
            fields = {
                f.name: self.encode(getattr(value, f.name), f"{where}.{f.name}", depth)
                for f in dataclasses.fields(value)
            }
            encoded = {"$": "dataclass", "type": name, "fields": fields}
            others = {
                other: self.encode(part, f"{where}.{other}", depth)
                for other, part in getattr(value, "__dict__", {}).items()
                if other not in fields and not belongs_to_class(kind, other)
            }
            if others:  # __post_init__ sets them
                encoded["others"] = others
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
    return f"a {name}", KNOW_HOW.format(name=name)
