"""Objects by class and state: enums, dataclasses, named tuples, and whatever can be reduced."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import copyreg
import dataclasses
import enum
import functools
import io
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from expcore._walk import Encoder, Walk

REMEDY = "give its class a method __expcore_digest__, or use expcore.register"
_REFUSED: list[tuple[tuple[type, ...], str]] = [
    (
        (types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType),
        "it can be run only once; pass what it yields, as a list",
    ),
    (
        (io.TextIOBase, io.BufferedIOBase, io.RawIOBase),
        "an open file is no content; pass its path or its expcore.digest_file",
    ),
]
_IN_MEMORY = (io.BytesIO, io.StringIO)
_ATTRS_HASH = "_attrs_cached_hash"


def class_name(kind: Any) -> str:
    """Return a class's or a function's full name, the same in a script and when imported."""
    module = getattr(kind, "__module__", None) or ""
    if module in {"__main__", "__mp_main__"}:
        main = sys.modules[module]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        # `python -m a.b` knows its name; `python b.py` would be imported as `b`.
        module = spec.name if spec is not None else Path(file).stem if file else module
    return f"{module}.{getattr(kind, '__qualname__', None) or kind.__name__}"


def find(kind: type) -> Encoder | None:
    """Return the encoder for an enum, a named tuple or a refused type."""
    if issubclass(kind, enum.Enum):
        return _flag if issubclass(kind, enum.Flag) else _enum
    for refused, reason in _REFUSED:
        if issubclass(kind, refused) and not issubclass(kind, _IN_MEMORY):
            return _refuse(reason)
    if kind.__module__ in {"builtins", "itertools"} and hasattr(kind, "__next__"):
        return _refuse("an iterator can be read only once; pass a list")
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    return None


def of_user(kind: type) -> Encoder:
    """Return the encoder for a type that no library and no builtin type is behind."""
    if dataclasses.is_dataclass(kind) and _has_default_state(kind):
        return _dataclass
    return reduced


def state_of(value: Any) -> dict[str, Any]:
    """Return an object's attributes: those in its dictionary and those in slots.

    What a ``cached_property`` remembers follows from the rest and is left out.
    """
    kind = type(value)
    state: dict[str, Any] = {}
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in {"__dict__", "__weakref__"}:
                continue
            mangled = name
            if name.startswith("__") and not name.endswith("__"):
                mangled = f"_{base.__name__.lstrip('_')}{name}"
            try:
                state[mangled] = getattr(value, mangled)
            except AttributeError:  # a slot that is not set
                continue
    return state | _without_cached(kind, getattr(value, "__dict__", {}))


def reduced(value: Any, walk: Walk) -> bytes:
    """Encode an object by the parts that ``__reduce_ex__`` names; never by pickled bytes."""
    known = walk.enter(value)
    if known is not None:
        return known
    kind = type(value)
    try:
        reduce = copyreg.dispatch_table.get(kind)
        parts: Any = reduce(value) if reduce else value.__reduce_ex__(4)
    except RecursionError:
        raise
    except Exception as error:
        raise UndigestableError("", kind.__qualname__, f"{error}; {REMEDY}") from None
    if isinstance(parts, str):
        return walk.leave(value, _global(kind, parts, walk))
    filled: tuple[Any, ...] = (*parts, None, None, None)
    function, args, state, items, pairs = filled[:5]
    if function is copyreg.__newobj__ or function is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
        function, *args = args
    if state is None:
        state = {}
    elif not hasattr(kind, "__setstate__"):  # to that it may mean anything
        state = _merged(state)
    if type(state) is dict:
        state = _without_cached(kind, state)
    encoded = [
        walk.encode(class_name(function)) if callable(function) and hasattr(function, "__name__")
        else walk.encode(function),
        walk.encode(tuple(args)),
        _encode_state(state, walk),
        walk.encode(list(items or ())),
        walk.encode(list(pairs or ())),
    ]  # fmt: skip
    return walk.leave(value, walk.join("object", [walk.encode(class_name(kind)), *encoded]))


def _global(kind: type, name: str, walk: Walk) -> bytes:
    owner = class_name(kind)
    if owner == "typing._TypedCacheSpecialForm":
        # From 3.13 on; before, `Literal` was of another class, and `Annotated` a class itself.
        if name == "Annotated":
            return walk.compose("type", "typing.Annotated")
        owner = "typing._LiteralSpecialForm"
    return walk.compose("global", owner, name)


def _merged(state: Any) -> Any:
    """Put together the attributes that are in a dictionary and those in slots, as pickle does."""
    match state:
        case (dict() | None as named, dict() as slots):
            return {**(named or {}), **slots}
        case _:
            return state


def _without_cached(kind: type, state: dict[Any, Any]) -> dict[Any, Any]:
    return {
        name: part
        for name, part in state.items()
        if not isinstance(name, str)
        or not (
            name == _ATTRS_HASH or isinstance(getattr(kind, name, None), functools.cached_property)
        )
    }


def _encode_state(state: Any, walk: Walk) -> bytes:
    if type(state) is dict and all(type(name) is str for name in state):
        return walk.attributes(state)
    return walk.encode(state)


def _has_default_state(kind: type) -> bool:
    """Say whether nobody defined what the state of the class's objects is."""
    for name in ("__reduce_ex__", "__reduce__", "__getstate__"):
        method = getattr(kind, name)
        # Frozen dataclasses with slots bring a __getstate__ of their own.
        if method is not getattr(object, name) and method.__name__ != "_dataclass_getstate":
            return False
    return True


def _dataclass(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    name = walk.encode(class_name(type(value)))
    return walk.leave(value, walk.join("object", [name, walk.attributes(state_of(value))]))


def _named_tuple(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    items = tuple.__getitem__(value, slice(None))
    # `platform.uname()` computes its last field.
    names = value._fields if len(value._fields) == len(items) else map(str, range(len(items)))
    fields = dict(zip(names, items, strict=True))
    if extra := state_of(value):
        fields["__dict__"] = extra
    name = walk.encode(class_name(type(value)))
    return walk.leave(value, walk.join("tuple", [name, walk.attributes(fields)]))


def _enum(value: Any, walk: Walk) -> bytes:
    return walk.compose("enum", class_name(type(value)), value.name, value.value)


def _flag(value: Any, walk: Walk) -> bytes:
    # The name of several flags together is written differently by different Pythons.
    return walk.compose("flag", class_name(type(value)), value.value)


def _refuse(reason: str) -> Encoder:
    def refuse(value: Any, _: Walk) -> bytes:
        raise UndigestableError("", type(value).__qualname__, reason)

    return refuse
