"""Scalars, strings and containers; their tags are listed in :mod:`expcore._canonical`."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import sys
from array import array
from math import isnan
from struct import Struct
from typing import TYPE_CHECKING, Any

from expcore._leaves import LEAF_BYTES, content_digest
from expcore._resolve import resolve
from expcore._walk import LIMIT_BYTES, TABLE, Walk
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BULK_ITEMS = 64
_pack_float = Struct("<cd").pack
_pack_complex = Struct("<cdd").pack
_NAN = float("nan")


def encode_str(value: str, walk: Walk) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    size = len(data)
    return b"s%x:%b" % (size, data) if size <= LIMIT_BYTES else walk.collapse(b"s" + data)


def _bytes(value: bytes, walk: Walk) -> bytes:
    size = len(value)
    if size <= LIMIT_BYTES:
        return b"b%x:%b" % (size, value)
    if size > LEAF_BYTES:
        return b"b%x#%b" % (size, content_digest(walk.hasher, value))
    hasher = walk.hasher()
    hasher.update(b"b")
    hasher.update(value)
    return b"#" + hasher.digest()


def _float(value: float, _: Walk) -> bytes:
    return _pack_float(b"f", value if value == value else _NAN)  # noqa: PLR0124


def _complex(value: complex, _: Walk) -> bytes:
    real, imag = value.real, value.imag
    return _pack_complex(
        b"c",
        real if real == real else _NAN,  # noqa: PLR0124
        imag if imag == imag else _NAN,  # noqa: PLR0124
    )


def _tuple(value: tuple[Any, ...], walk: Walk) -> bytes:
    # A cycle passes through something that can change, so a tuple need not be entered.
    if len(value) >= BULK_ITEMS and (bulk := _bulk(value)) is not None:
        return walk.collapse(b"(%b)" % bulk)
    parts: list[bytes] = []
    get = TABLE.get
    try:
        for item in value:
            parts.append((get(type(item)) or resolve(item))(item, walk))  # noqa: PERF401
    except UndigestableError as error:
        error.prepend(f"[{len(parts)}]")
        raise
    return _collapsed(b"(%b)" % b"".join(parts), walk)


def _list(value: list[Any], walk: Walk) -> bytes:
    if len(value) >= BULK_ITEMS and (bulk := _bulk(value)) is not None:
        return walk.collapse(b"[%b]" % bulk)
    known = walk.enter(value)
    if known is not None:
        return known
    parts: list[bytes] = []
    get = TABLE.get
    try:
        for item in value:
            parts.append((get(type(item)) or resolve(item))(item, walk))  # noqa: PERF401
    except UndigestableError as error:
        error.prepend(f"[{len(parts)}]")
        raise
    return walk.leave(value, b"[%b]" % b"".join(parts))


def _dict(value: dict[Any, Any], walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    parts: list[bytes] = []
    get = TABLE.get
    key = None
    try:
        if all_str(value):
            for key in sorted(value):
                item = value[key]
                parts.append(encode_str(key, walk))
                parts.append((get(type(item)) or resolve(item))(item, walk))
        else:
            for key, item in value.items():
                parts.append(walk.encode(key) + walk.encode(item))
            parts.sort()
    except UndigestableError as error:
        error.prepend(f"[{_shown(key)}]")
        raise
    return walk.leave(value, b"{%b}" % b"".join(parts))


def _set(value: set[Any], walk: Walk) -> bytes:
    return _collapsed(b"<%b>" % _sorted(value, walk), walk)


def _frozenset(value: frozenset[Any], walk: Walk) -> bytes:
    return _collapsed(b"|%b!" % _sorted(value, walk), walk)


def _sorted(value: set[Any] | frozenset[Any], walk: Walk) -> bytes:
    if all_str(value):
        # Strings sort several times faster than their encodings.
        items = sorted(value)
        if len(items) >= BULK_ITEMS:
            return _bulk_strings(items)
        return b"".join([encode_str(item, walk) for item in items])
    parts: list[bytes] = []
    item = None
    try:
        for item in value:
            parts.append(walk.encode(item))
    except UndigestableError as error:
        error.prepend(f"{{{_shown(item)}}}")
        raise
    parts.sort()
    return b"".join(parts)


def _shown(item: object) -> str:
    try:
        text = repr(item)
    except Exception:  # that of a user's class; what is wrong with the item is said anyway
        text = f"a {type(item).__qualname__}"
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004


def _bulk(items: Sequence[Any]) -> bytes | None:
    """Encode many items of one builtin type at the speed of C, or return None."""
    kind = type(items[0])
    if kind not in _BULK or set(map(type, items)) != {kind}:
        return None
    if kind is float:
        numbers = [x if x == x else _NAN for x in items] if any(map(isnan, items)) else items  # noqa: PLR0124
        return b"D%x:%b" % (len(items), _little(array("d", numbers)))
    if kind is int:
        text = " ".join(map(hex, items))
        return b"I%x:%x:%b" % (len(items), len(text), text.encode())
    return _bulk_strings(items)


def _bulk_strings(items: Sequence[str]) -> bytes:
    sizes = _little(array("Q", map(len, items)))
    data = "".join(items).encode("utf-8", "surrogatepass")
    return b"S%x:%b%x:%b" % (len(items), sizes, len(data), data)


def _little(numbers: array[Any]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def all_str(items: Iterable[Any]) -> bool:
    """Say whether there are only strings, and no objects of subclasses."""
    return set(map(type, items)) <= _ONLY_STR


def _collapsed(data: bytes, walk: Walk) -> bytes:
    return data if len(data) <= LIMIT_BYTES else walk.collapse(data)


_ONLY_STR: set[type] = {str}
_BULK: set[type] = {str, int, float}

TABLE.update(
    {
        type(None): lambda _value, _walk: b"N",
        type(...): lambda _value, _walk: b"E",
        bool: lambda value, _walk: b"T" if value else b"F",
        int: lambda value, _walk: b"i%x;" % value,
        float: _float,
        complex: _complex,
        str: encode_str,
        bytes: _bytes,
        tuple: _tuple,
        list: _list,
        dict: _dict,
        set: _set,
        frozenset: _frozenset,
    }
)
