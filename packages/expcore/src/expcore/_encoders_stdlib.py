"""The standard library's types, and classes derived from builtin ones."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import functools
import pathlib
import re
import types
import uuid
import weakref
import zoneinfo
from typing import TYPE_CHECKING, Any

from expcore import _encoders_functions as functions
from expcore._encoders_objects import class_name, state_of
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from expcore._walk import Encoder, Walk


def find(kind: type) -> Encoder | None:
    """Return the encoder for a type, or for one derived from such a type with attributes."""
    if kind in ENCODERS:
        return ENCODERS[kind]
    for base in kind.__mro__:
        if base in ENCODERS:
            return _derived(kind, ENCODERS[base], None)
        if base in _PLAIN:
            return _derived(kind, None, _PLAIN[base])
    return None


def _derived(kind: type, encoder: Encoder | None, plain: Callable[[Any], Any] | None) -> Encoder:
    name = class_name(kind)

    def encode_derived(value: Any, walk: Walk) -> bytes:
        if encoder is not None:
            content = encoder(value, walk)
            return walk.join("derived", [walk.encode(name), content, _own(value, walk)])
        known = walk.enter(value)
        if known is not None:
            return known
        assert plain is not None  # noqa: S101 -- one of the two is given
        part = plain(value)
        parts = [walk.encode(name), walk.encode(part), _own(value, walk)]
        return walk.leave(value, walk.join("derived", parts))

    return encode_derived


def _own(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value, own=True)
    if known is not None:
        return known
    return walk.leave(value, walk.attributes(state_of(value)), own=True)


# The builtin part of an object of a derived class, whatever its methods were overridden with.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    bool: bool,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    list: list.copy,
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set().union(value),
    frozenset: lambda value: frozenset().union(value),
    bytearray: bytes,
}


def _parts(kind: str, *names: str) -> Encoder:
    """Encode by a few attributes that are values."""

    def encode_parts(value: Any, walk: Walk) -> bytes:
        return walk.compose(kind, *[getattr(value, name) for name in names])

    return encode_parts


def _buffer(value: Any, walk: Walk) -> bytes:
    view = memoryview(value)
    kind = type(value).__name__
    return walk.compose(kind, view.format, view.shape, view.tobytes())


def _array(value: Any, walk: Walk) -> bytes:
    if value.typecode in "fd":
        return walk.compose("array", value.typecode, value.tolist())
    return walk.compose("array", value.typecode, value.itemsize, value.tobytes())


def _time(kind: str, *names: str) -> Encoder:
    return _parts(kind, *names, "fold", "tzinfo")


def _decimal(value: decimal.Decimal, walk: Walk) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if value.is_nan():
        return walk.compose("decimal", "nan")
    return walk.compose("decimal", sign, digits, exponent)


def _path(value: pathlib.PurePath, walk: Walk) -> bytes:
    # A path that a program passes on means the same on any system; `Path` makes another class
    # on each. The pure classes are chosen on purpose.
    kind = "Path" if isinstance(value, pathlib.Path) else type(value).__name__
    return walk.compose("path", kind, value.as_posix())


def _ordered(value: Any, walk: Walk) -> bytes:
    return _contents(value, walk, "ordered dict", [*collections.OrderedDict.items(value)])


def _default(value: Any, walk: Walk) -> bytes:
    return _contents(value, walk, "default dict", value.default_factory, dict(dict.items(value)))


def _deque(value: Any, walk: Walk) -> bytes:
    return _contents(value, walk, "deque", list(value), value.maxlen)


def _namespace(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    return walk.leave(value, walk.join("namespace", [walk.attributes(vars(value))]))


def _proxy(value: Any, walk: Walk) -> bytes:
    return _contents(value, walk, "mappingproxy", dict(value))


def _contents(value: Any, walk: Walk, kind: str, *parts: Any) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    return walk.leave(value, walk.compose(kind, *parts))


def _keys_view(value: Any, walk: Walk) -> bytes:
    return walk.compose("dict_keys", set(value))


def _values_view(value: Any, walk: Walk) -> bytes:
    parts = list(value)
    return walk.join("dict_values", sorted([walk.encode(part) for part in parts]))


def _items_view(value: Any, walk: Walk) -> bytes:
    parts = dict(value)
    return walk.compose("dict_items", parts)


def _zone(value: zoneinfo.ZoneInfo, walk: Walk) -> bytes:
    if value.key is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise UndigestableError("", "ZoneInfo", "a zone made from a file has no name")
    return walk.compose("zone", value.key)


def _pattern(value: re.Pattern[Any], walk: Walk) -> bytes:
    return walk.compose("pattern", value.pattern, value.flags)


def _weak(value: Any, _: Walk) -> bytes:
    raise UndigestableError(
        "", type(value).__qualname__, "a weak reference may die; pass the value"
    )


ENCODERS: dict[type, Encoder] = {
    bytearray: _buffer,
    memoryview: _buffer,
    array.array: _array,
    range: lambda value, walk: walk.compose(
        "range", len(value), *((value[0], value.step if len(value) > 1 else 0) if value else ())
    ),
    slice: _parts("slice", "start", "stop", "step"),
    type(NotImplemented): lambda _value, walk: walk.compose("NotImplemented"),
    datetime.datetime: _time(
        "datetime", "year", "month", "day", "hour", "minute", "second", "microsecond"
    ),
    datetime.date: _parts("date", "year", "month", "day"),
    datetime.time: _time("time", "hour", "minute", "second", "microsecond"),
    datetime.timedelta: _parts("timedelta", "days", "seconds", "microseconds"),
    datetime.timezone: lambda value, walk: walk.compose(
        "timezone", value.utcoffset(None), value.tzname(None)
    ),
    zoneinfo.ZoneInfo: _zone,
    decimal.Decimal: _decimal,
    fractions.Fraction: _parts("fraction", "numerator", "denominator"),
    uuid.UUID: _parts("uuid", "bytes"),
    pathlib.PurePath: _path,
    pathlib.PurePosixPath: _path,
    pathlib.PureWindowsPath: _path,
    pathlib.PosixPath: _path,
    pathlib.WindowsPath: _path,
    re.Pattern: _pattern,
    collections.OrderedDict: _ordered,
    collections.defaultdict: _default,
    collections.deque: _deque,
    types.SimpleNamespace: _namespace,
    types.MappingProxyType: _proxy,
    type({}.keys()): _keys_view,
    type({}.values()): _values_view,
    type({}.items()): _items_view,
    types.ModuleType: lambda value, walk: walk.compose("module", value.__name__),
    types.CodeType: functions.encode_code_object,
    types.FunctionType: functions.encode_function,
    types.MethodType: functions.encode_method,
    types.BuiltinFunctionType: functions.encode_builtin,
    types.MethodWrapperType: functions.encode_builtin,
    types.WrapperDescriptorType: functions.encode_descriptor,
    types.MethodDescriptorType: functions.encode_descriptor,
    types.ClassMethodDescriptorType: functions.encode_descriptor,
    types.GetSetDescriptorType: functions.encode_descriptor,
    types.MemberDescriptorType: functions.encode_descriptor,
    functools.partial: functions.encode_partial,
    functools.partialmethod: functions.encode_partial,
    type(functools.lru_cache(maxsize=None)(len)): functions.encode_wrapper,
    functools.cached_property: lambda value, walk: walk.compose("cached property", value.func),
    staticmethod: functions.encode_wrapper,
    classmethod: functions.encode_wrapper,
    property: functions.encode_property,
    weakref.ref: _weak,
    weakref.ProxyType: _weak,
    weakref.CallableProxyType: _weak,
}
