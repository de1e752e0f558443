"""Find the types that annotations and defaults name, so that files may name them."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import typing
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def types_of(cls: type) -> Iterator[type]:
    """Yield the enums, dataclasses and named tuples that ``__init__`` of a class speaks of.

    Args:
        cls: Any class; what its bases' ``__init__`` take counts as well.
    """
    for base in cls.__mro__:
        init = base.__dict__.get("__init__")
        if init is None or not callable(init):
            continue
        init = inspect.unwrap(init)
        yield from _types_in(_hints(init))
        try:
            parameters = inspect.signature(init).parameters.values()
        except (TypeError, ValueError):
            continue
        yield from _types_in(type(p.default) for p in parameters if p.default is not p.empty)


def _hints(of: Any) -> Iterator[object]:
    """Yield the annotations, each on its own: one that cannot be resolved hides no other."""
    owner = inspect.getmodule(of)
    scope = getattr(of, "__globals__", None) or getattr(owner, "__dict__", {})
    inner = inspect.getclosurevars(of).nonlocals if inspect.isfunction(of) else {}
    for hint in getattr(of, "__annotations__", {}).values():
        try:
            holder = type("holder", (), {"__annotations__": {"hint": hint}})
            yield typing.get_type_hints(holder, scope, dict(inner))["hint"]
        except Exception:  # noqa: S112 - a name that exists for type checkers only
            continue


def _types_in(hints: Iterable[object]) -> Iterator[type]:
    """Yield those that annotations name, and the fields of dataclasses and named tuples."""
    todo: list[Any] = list(hints)
    seen: set[int] = set()
    for hint in todo:  # which grows
        if id(hint) in seen:
            continue
        seen.add(id(hint))  # a dataclass may have fields of its own type
        todo += typing.get_args(hint)
        if isinstance(hint, enum.Enum):  # Literal[Color.RED]
            todo.append(type(hint))
        elif not isinstance(hint, type):
            todo += _stood_for(hint)
        elif issubclass(hint, enum.Enum):
            yield hint
        elif dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
            yield hint
            todo += [part for base in hint.__mro__ for part in _hints(base)]


def _stood_for(hint: object) -> list[Any]:
    """Return what ``type X = ...``, a NewType or a TypeVar stands for, nothing for others."""
    found: list[Any] = []
    if type(hint).__module__ in {"typing", "typing_extensions"}:
        for name in ("__value__", "__supertype__", "__bound__"):
            with suppress(Exception):  # it has none, or one that exists for type checkers only
                found.append(getattr(hint, name))
    return found
