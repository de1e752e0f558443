"""What the arguments of a dataclass are: their types and defaults."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

SEQUENCES: dict[Any, type] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    collections.abc.Sequence: tuple,
    collections.abc.Iterable: tuple,
    collections.abc.Set: frozenset,
}
MAPPINGS: dict[Any, type] = {dict: dict, collections.abc.Mapping: dict}


def field_types(cls: type) -> dict[str, Any]:
    """The types of a dataclass's arguments, by name, in order."""
    hints = get_type_hints(cls)
    found = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    return {name: named(tp) for name, tp in found.items()}


def named(tp: Any) -> Any:
    """The type that a ``NewType`` or a ``type`` statement gives another name to."""
    while (inner := getattr(tp, "__supertype__", getattr(tp, "__value__", None))) is not None:
        tp = inner
    return tp


def field_of(cls: type, name: str) -> dataclasses.Field[Any]:
    """A field of a dataclass, by its name."""
    return next(field for field in dataclasses.fields(cls) if field.name == name)


def is_nested(tp: Any) -> bool:
    """Whether the type is a dataclass: its arguments are options of their own."""
    return isinstance(tp, type) and dataclasses.is_dataclass(tp)


def optional(tp: Any) -> Any:
    """``X`` for ``Optional[X]``, else the type itself."""
    if get_origin(tp) in (Union, types.UnionType):
        rest = [arm for arm in get_args(tp) if arm is not type(None)]
        if len(rest) == 1:
            return rest[0]
    return tp


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a field; ``dataclasses.MISSING`` where there is none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def required(cls: type) -> list[str]:
    """The arguments of a dataclass that have no default."""
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
