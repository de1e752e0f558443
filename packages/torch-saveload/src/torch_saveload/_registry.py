"""Which types, classes and functions a file may name.

A file names things by ``__qualname__``; a name is looked up here and never imported. Known are
what :func:`register_type` was told, every decorated class, the annotations and defaults of the
``__init__`` being called, and the classes and functions of :mod:`torch.nn`.
"""

from __future__ import annotations

import inspect
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._annotations import types_of

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 100
KNOW_HOW = "torch_saveload.register_type({name}, encode, decode) makes it known"


@dataclass(frozen=True, slots=True)
class Registered:
    """A type that users made known."""

    type: type
    name: str
    encode: Callable[[Any], object] | None
    decode: Callable[[Any], object] | None


_by_name: dict[str, Registered] = {}
_by_type: dict[type, Registered] = {}
_decorated: dict[str, list[weakref.ref[type]]] = {}


def register_type(
    type: type,  # noqa: A002 - the word users expect
    encode: Callable[[Any], object] | None = None,
    decode: Callable[[Any], object] | None = None,
    *,
    name: str | None = None,
) -> None:
    """Make a type known, so that its values can be arguments of saved models.

    Args:
        type: Any class. Enums, dataclasses, named tuples, and classes that are arguments
            themselves need no functions.
        encode: Turns a value into plain data: numbers, strings, tuples, lists, dictionaries,
            sets, tensors, or values of other known types.
        decode: Turns that back into a value.
        name: What files call it, ``type.__qualname__`` when left out. Keep it for ever.

    Raises:
        ValueError: Another type has that name, or only one function is given.

    >>> from fractions import Fraction
    >>> register_type(Fraction, lambda f: [f.numerator, f.denominator], lambda p: Fraction(*p))
    """
    if (encode is None) is not (decode is None):
        raise ValueError(f"give both encode and decode for {type.__qualname__}, or neither")
    entry = Registered(type, name or type.__qualname__, encode, decode)
    known = _by_name.get(entry.name)
    if known and (known.type.__module__, known.type.__qualname__) != (
        type.__module__,
        type.__qualname__,
    ):
        raise ValueError(f"{entry.name!r} already names {known.type!r}; pass another name=")
    _by_name[entry.name] = _by_type[type] = entry


def registered(type_: type) -> Registered | None:
    """Return what is known of exactly this type."""
    return _by_type.get(type_)


def registered_name(name: str) -> Registered | None:
    """Return what is known by this name."""
    return _by_name.get(name)


def add_decorated(cls: type) -> None:
    """Remember a decorated class, or a subclass of one."""
    _decorated.setdefault(cls.__qualname__, []).append(weakref.ref(cls))


def decorated(name: str, near: type) -> type | None:
    """Return the class of that name: from the module of ``near``, or else the latest one."""
    alive = [cls for ref in _decorated.get(name, []) if (cls := ref()) is not None]
    here = [cls for cls in alive if cls.__module__ == near.__module__]
    return (here or alive)[-1] if alive else None


class KnownTypes:
    """The types that the ``__init__`` of a class, and of its bases, speaks of."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._found: dict[str, type] | None = None

    def get(self, name: str) -> type | None:
        """Return the enum, dataclass or named tuple of that name, if it is known."""
        if entry := _by_name.get(name):
            return entry.type
        if self._found is None:
            self._found = {}
            for found in types_of(self.cls):
                self._found.setdefault(found.__qualname__, found)
        return self._found.get(name)


def belongs_to_class(type_: type, name: str) -> bool:
    """Tell whether an attribute is a method or a property, which no file replaces."""
    return hasattr(inspect.getattr_static(type_, name, None), "__get__")


def torch_name(value: object) -> str | None:
    """Return the name of a class or function of torch.nn, like ``nn.GELU``."""
    name = getattr(value, "__name__", "")
    for prefix in ("nn", "nn.functional", "nn.init"):
        if torch_value(f"{prefix}.{name}") is value:
            return f"{prefix}.{name}"
    return None


def torch_value(name: str) -> object:
    """Return what :func:`torch_name` named: a class of torch.nn or a function, else None."""
    from torch import nn

    places = {"nn": nn, "nn.functional": nn.functional, "nn.init": nn.init}
    prefix, _, last = name.rpartition(".")
    if prefix not in places or last.startswith("_"):
        return None
    value = getattr(places[prefix], last, None)
    if prefix == "nn":
        return value if isinstance(value, type) and issubclass(value, nn.Module) else None
    is_function = inspect.isroutine(value) and not inspect.isclass(value)
    return value if is_function and getattr(value, "__name__", "") == last else None
