"""Find the encoder for a type that is not in the table, once per type.

In this order: what was registered and ``__expcore_digest__``, the nearest class in the MRO
first; then the libraries' own types; enums and named tuples; the types of the standard library;
classes derived from these, with their attributes; dataclasses; everything else by the parts that
``__reduce_ex__`` names.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from expcore._walk import Encoder, Walk

LIBRARIES = {
    "numpy": "expcore._encoders_numpy",
    "scipy": "expcore._encoders_scipy",
    "torch": "expcore._encoders_torch",
    "pandas": "expcore._encoders_pandas",
    "polars": "expcore._encoders_polars",
    "jax": "expcore._encoders_jax",
    "jaxlib": "expcore._encoders_jax",
}
"""Modules with ``ENCODERS``, a dictionary from type to encoder, by top-level package.

They are imported when a value of the package turns up, so the package itself is there.
"""

_registered: dict[type, Callable[[Any], object]] = {}
_resolved: WeakKeyDictionary[type, Encoder] = WeakKeyDictionary()


def register(type_: type, encode: Callable[[Any], object]) -> None:
    """Say what counts as the content of a type, and of the classes derived from it.

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
    if not isinstance(type_, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"register takes a type, not {type_!r}")
    from expcore import _walk

    _registered[type_] = encode
    _resolved.clear()
    # A builtin that is registered must be looked for here from now on.
    _walk.TABLE.pop(type_, None)


def resolve(value: Any) -> Encoder:
    """Return the encoder for a value's type."""
    kind = type(value)
    found = _resolved.get(kind)
    if found is None:
        found = _resolved[kind] = _find(kind)
    return found


def _find(kind: type) -> Encoder:
    from expcore import _encoders_functions, _encoders_objects, _encoders_stdlib

    for base in kind.__mro__:
        if base in _registered:
            return _by_user(kind, _registered[base])
        if "__expcore_digest__" in vars(base):
            return _by_user(kind, lambda value: value.__expcore_digest__())
    for base in kind.__mro__:
        module = LIBRARIES.get(base.__module__.partition(".")[0])
        encoder = import_module(module).ENCODERS.get(base) if module else None
        if encoder is not None:
            found: Encoder = encoder
            return found
    if issubclass(kind, type):
        return _encoders_functions.encode_class
    return (
        _encoders_objects.find(kind)
        or _encoders_stdlib.find(kind)
        or _encoders_objects.of_user(kind)
    )


def _by_user(kind: type, content: Callable[[Any], object]) -> Encoder:
    from expcore._encoders_objects import class_name

    name = class_name(kind)

    def encode_by_user(value: Any, walk: Walk) -> bytes:
        known = walk.enter(value)
        if known is not None:
            return known
        part = content(value)
        return walk.leave(value, walk.compose("user", name, part))

    return encode_by_user
