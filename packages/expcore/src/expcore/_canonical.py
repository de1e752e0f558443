"""Any Python value → one stable run of bytes → a digest.

Every value becomes *tag + content*, and no encoding is the start of another, so what stands
side by side cannot be read in two ways:

=========================  ===========================================================
``N`` ``T`` ``F`` ``E``    None, True, False, ...
``i`` hex ``;``            int
``f`` 8 bytes              float, little-endian; every NaN is one NaN
``c`` 16 bytes             complex
``s`` ``b`` n ``:`` ...    str (UTF-8), bytes, behind their length in hex
``(`` ... ``)``            tuple
``[`` ... ``]``            list
``{`` ... ``}``            dict, sorted by key
``<`` ... ``>``            set, sorted
``|`` ... ``!``            frozenset, sorted
``S`` ``I`` ``D`` ...      what stands between the brackets, where it is 64 str, int or float
                           or more of them: their number, then one run of bytes
``o`` kind ... ``.``       any other object: a name for its kind, and its parts
``^`` n ``;``              the container n levels up: a cycle
``#`` digest               any of these longer than 512 bytes, by its digest
=========================  ===========================================================

One dictionary from type to encoder is the whole dispatch; what is not in it is resolved once
per type by :mod:`expcore._resolve`. Names of variables, order of insertion, identity and
sharing leave no trace. Large buffers are digested where they lie.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import sys
from array import array
from math import isnan
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias

from xxhash import xxh3_128_digest, xxh3_128_hexdigest

from expcore._digest import new_hasher
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from expcore._digest import Algorithm, Hasher

LIMIT_BYTES = 512
BULK_ITEMS = 64
_pack_float = Struct("<cd").pack
_pack_complex = Struct("<cdd").pack
_NAN = float("nan")


class Walk:
    """One pass over one value: where it is, and what it has seen."""

    __slots__ = ("algorithm", "cyclic", "keep", "memo", "stack")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.stack: dict[int, int] = {}
        """The containers around the present value: their ids, and how deep they are."""
        self.memo: dict[int, bytes] = {}
        """Long encodings by id, so that a value that is shared is encoded once."""
        self.keep: list[object] = []
        """What the memo knows must not be freed, or its id would come to mean another."""
        self.cyclic = False

    def hasher(self) -> Hasher:
        """Return an empty hasher of the algorithm in use."""
        return new_hasher(self.algorithm)

    def collapse(self, data: bytes) -> bytes:
        """Replace a long encoding by its digest."""
        if self.algorithm == "xxh3_128":
            return b"#" + xxh3_128_digest(data)
        hasher = self.hasher()
        hasher.update(data)
        return b"#" + hasher.digest()

    def encode(self, value: Any) -> bytes:
        """Return a value's encoding."""
        return (TABLE.get(type(value)) or resolve(value))(value, self)

    def compose(self, kind: str, *parts: Any) -> bytes:
        """Return the encoding of an object that is what its parts are."""
        return self.join(kind, [self.encode(part) for part in parts])

    def join(self, kind: str, parts: Iterable[bytes]) -> bytes:
        """Return the encoding of an object from its parts' encodings."""
        data = b"o%b%b." % (encode_str(kind, self), b"".join(parts))
        return data if len(data) <= LIMIT_BYTES else self.collapse(data)

    def attributes(self, values: Mapping[str, Any]) -> bytes:
        """Return the encoding of named parts, in whatever order they come."""
        parts: list[bytes] = []
        name = ""
        try:
            for name in sorted(values):
                parts += encode_str(name, self), self.encode(values[name])
        except UndigestableError as error:
            error.prepend(f".{name}")
            raise
        data = b"{%b}" % b"".join(parts)
        return data if len(data) <= LIMIT_BYTES else self.collapse(data)

    def enter(self, value: object) -> bytes | None:
        """Go one level down; return an encoding instead if the value is known already.

        Every ``enter`` that returned None is followed by a :meth:`leave`, unless the walk ends.
        """
        key = id(value)
        if key in self.stack:
            self.cyclic = True
            return b"^%x;" % (len(self.stack) - self.stack[key])
        if key in self.memo:
            return self.memo[key]
        self.stack[key] = len(self.stack)
        return None

    def leave(self, value: object, data: bytes) -> bytes:
        """Come back up with an encoding."""
        key = id(value)
        del self.stack[key]
        if len(data) <= LIMIT_BYTES:
            return data
        data = self.collapse(data)
        # Once there was a cycle, an encoding may depend on what is around it.
        if not self.cyclic:
            self.memo[key] = data
            self.keep.append(value)
        return data


Encoder: TypeAlias = "Callable[[Any, Walk], bytes]"


def digest(value: Any, *, algorithm: Algorithm = "xxh3_128", name: str = "obj") -> str:
    """Return the canonical digest of any Python value.

    Equal values of equal types have equal digests, in every process, on every machine and
    under every version of Python; what differs in type or content differs in digest. See
    ``docs/expcore.md`` for what counts as content of each type.

    Args:
        value: Anything that has content: builtins, numpy, torch, pandas, polars and jax
            values, dataclasses, enums, functions, classes, and objects made of these.
        algorithm: ``"xxh3_128"`` is for keys and for noticing change; ``"sha256"`` and
            ``"blake3"`` are for what must not be forged.
        name: What the value is called in errors.

    Raises:
        UndigestableError: The value, or a part of it, has no content: a generator, a lock, a
            socket, an open file. The error names the path to it.

    >>> digest({"lr": 0.1, "layers": [64, 10]}) == digest({"layers": [64, 10], "lr": 0.1})
    True
    >>> digest(1) == digest(1.0)
    False
    >>> digest({"model": [open]}, name="args")[:9]
    'xxh3_128:'
    """
    walk = Walk(algorithm)
    try:
        data = (TABLE.get(type(value)) or resolve(value))(value, walk)
    except UndigestableError as error:
        error.prepend(name)
        raise
    except RecursionError:
        raise UndigestableError(
            name, type(value).__qualname__, "it is nested too deeply; flatten it"
        ) from None
    if algorithm == "xxh3_128":
        return "xxh3_128:" + xxh3_128_hexdigest(data)
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return f"{algorithm}:{hasher.hexdigest()}"


def encode_str(value: str, walk: Walk) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    size = len(data)
    return b"s%x:%b" % (size, data) if size <= LIMIT_BYTES else walk.collapse(b"s" + data)


def _bytes(value: bytes, walk: Walk) -> bytes:
    size = len(value)
    if size <= LIMIT_BYTES:
        return b"b%x:%b" % (size, value)
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
        return (len(items) >= BULK_ITEMS and _bulk(items)) or b"".join(
            [encode_str(item, walk) for item in items]
        )
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
    text = repr(item)
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

TABLE: dict[type, Encoder] = {
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
"""Encoders by exact type."""

from expcore._resolve import resolve  # noqa: E402 -- the two know each other
