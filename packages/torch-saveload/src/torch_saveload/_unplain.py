"""Turn plain data back into values; what it looks like is in :mod:`torch_saveload._plain`."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._leaves import DECODERS
from ._quantized import requantized
from ._registry import (
    KNOW_HOW,
    MAX_DEPTH,
    KnownTypes,
    belongs_to_class,
    registered_name,
    torch_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Undecodable(Exception):
    """Plain data makes no value."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where, self.problem = where, problem


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
            return self._many(data, where, depth + 1)
        if not isinstance(data, dict):
            return data
        if "$" not in data:
            return {k: self.decode(v, f"{where}[{k!r}]", depth + 1) for k, v in data.items()}
        try:
            if simple := DECODERS.get(data["$"]):
                return simple(data)
            if form := _FORMS.get(data["$"]):
                return form(self, data, where, depth + 1)
            raise Undecodable(where, f"unknown form {data['$']!r}")  # noqa: TRY301
        except Undecodable:
            raise
        except Exception as error:  # a hostile or damaged form: never a bare KeyError
            raise Undecodable(where, f"malformed {data['$']!r}: {error!r}") from error

    def _many(self, items: list[Any], where: str, depth: int) -> list[Any]:
        return [self.decode(item, f"{where}[{i}]", depth) for i, item in enumerate(items)]

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
        real, imag = self._many([data["real"], data["imag"]], where, depth - 1)
        return complex(real, imag)

    def slice_(self, data: Any, where: str, depth: int) -> object:
        return slice(*self._many(data["items"], where, depth))

    def range_(self, data: Any, where: str, depth: int) -> object:
        return range(*self._many(data["items"], where, depth))

    def enum_(self, data: Any, where: str, depth: int) -> object:
        kind = self._type(data["type"], where, enum.Enum)
        if "value" in data:  # flags
            return kind(self.decode(data["value"], where, depth))
        return kind[data["name"]]

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
        for name, other in data.get("others", {}).items():
            if name in fields or belongs_to_class(kind, name):
                raise Undecodable(where, f"{name} of {data['type']} is not to be replaced")
            vars(value)[name] = self.decode(other, f"{where}.{name}", depth)
        return value

    def registered_(self, data: Any, where: str, depth: int) -> object:
        entry = registered_name(data["type"])
        if entry is None or entry.decode is None:
            raise Undecodable(
                where,
                f"unknown type {data['type']!r}: {KNOW_HOW.format(name=data['type'])}",
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
            raise Undecodable(where, f"unknown name {name!r}: {KNOW_HOW.format(name=name)}")
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
