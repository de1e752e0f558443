"""Find the encoder for a type that is not in the table."""

from __future__ import annotations

import copyreg
import dataclasses
import enum
import pathlib
import types
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from expcore._canonical import Encoder, Walk

_registered: dict[type, Callable[[Any], object]] = {}
_resolved: WeakKeyDictionary[type, Encoder] = WeakKeyDictionary()


def register(type_: type, encode: Callable[[Any], object]) -> None:
    """Say what counts as the content of a type, and of its subclasses.

    Args:
        type_: The type.
        encode: Takes a value of the type and returns anything that can be digested.

    >>> class Money:
    ...     def __init__(self, amount, note):
    ...         self.amount, self.note = amount, note
    >>> register(Money, lambda money: money.amount)
    >>> from expcore import digest
    >>> digest(Money(3, "for tea")) == digest(Money(3, "for cake"))
    True
    """
    _registered[type_] = encode
    _resolved.clear()


def resolve(value: Any) -> Encoder:
    """Return the encoder for a value's type."""
    kind = type(value)
    found = _resolved.get(kind)
    if found is None:
        found = _resolved[kind] = _find(kind)
    return found


def _find(kind: type) -> Encoder:
    for base in kind.__mro__:
        if base in _registered:
            return _by_registration(_registered[base])
        if "__expcore_digest__" in vars(base):
            return _by_registration(lambda value: value.__expcore_digest__())
        if base.__module__ == "numpy" and base.__name__ in {"ndarray", "generic"}:
            return _array
    if issubclass(kind, enum.Enum):
        return lambda value, walk: walk.object("enum", class_name(kind), value.name, value.value)
    if issubclass(kind, pathlib.PurePath):
        return lambda value, walk: walk.object("path", value.as_posix())
    if issubclass(kind, types.FunctionType):
        return _function
    if issubclass(kind, (type, types.BuiltinFunctionType)):
        return lambda value, walk: walk.object("name", class_name(value))
    if dataclasses.is_dataclass(kind):
        return _dataclass
    return _reduced


def class_name(kind: Any) -> str:
    """Return a class's full name."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _by_registration(encode: Callable[[Any], object]) -> Encoder:
    def encode_registered(value: Any, walk: Walk) -> bytes:
        known = walk.enter(value)
        if known is not None:
            return known
        return walk.leave(value, walk.object("user", class_name(type(value)), encode(value)))

    return encode_registered


def _array(value: Any, walk: Walk) -> bytes:
    if value.dtype.hasobject:
        content = walk.encode(value.ravel().tolist())
    else:
        content = walk.encode(value.tobytes())
    shape = walk.encode(value.shape)
    return walk.join(class_name(type(value)), [walk.encode(value.dtype.str), shape, content])


def _dataclass(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    data = walk.join("object", [walk.encode(class_name(type(value))), walk.attributes(fields)])
    return walk.leave(value, data)


def _function(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    parts = [value.__code__, value.__defaults__, value.__kwdefaults__, cells]
    return walk.leave(value, walk.object("function", *parts))


def _reduced(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    kind = type(value)
    if isinstance(value, types.CodeType):
        consts = [c for c in value.co_consts if not isinstance(c, str)]
        parts: tuple[Any, ...] = (value.co_code, value.co_names, consts)
        return walk.leave(value, walk.object("code", *parts))
    try:
        reduce = copyreg.dispatch_table.get(kind)
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception as error:
        raise UndigestableError("", kind.__qualname__, str(error)) from None
    if isinstance(reduced, str):
        return walk.leave(value, walk.object("global", class_name(kind), reduced))
    function, args, state, items, pairs = (*reduced, None, None, None)[:5]
    parts = (function, args, list(items or ()), list(pairs or ()))
    encoded = [walk.encode(part) for part in parts]
    if isinstance(state, dict) and all(isinstance(name, str) for name in state):
        encoded.append(walk.attributes(state))
    else:
        encoded.append(walk.encode(state))
    return walk.leave(value, walk.join("object", encoded))
