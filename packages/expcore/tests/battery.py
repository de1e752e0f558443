"""Pairs of values whose digests must be equal, and pairs whose digests must differ.

A name that starts with a package and a colon needs that package. This file is also run by
itself (``python battery.py``): it prints the digest of the first of each pair, as JSON.
"""
# One pair to a line reads best here, and odd code is the point of it.
# ruff: noqa

from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import enum
import fractions
import functools
import json
import math
import operator
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Optional, Protocol, TypedDict


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Perm(enum.Flag):
    R = 1
    W = 2


@dataclass
class Point:
    x: float
    y: float = 0.0


@dataclass
class Place:
    x: float
    y: float = 0.0


@dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    parts: tuple[int, ...] = ()


@dataclass
class Cached:
    n: int
    log: list[int] = field(default_factory=list)

    @functools.cached_property
    def square(self) -> int:
        return self.n**2


class Pair(NamedTuple):
    a: int
    b: int


class Twin(NamedTuple):
    a: int
    b: int


class Short(collections.namedtuple("Short", "a b sum")):
    """As what ``platform.uname()`` returns."""

    def __new__(cls, a: int, b: int) -> Any:
        return tuple.__new__(cls, (a, b))


class Plain:
    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


class Other(Plain):
    pass


class Slotted:
    __slots__ = ("__private", "a", "b")

    def __init__(self, a: Any, *b: Any) -> None:
        self.__private = a
        self.a = a
        if b:
            self.b = b[0]


class Money:
    def __init__(self, amount: int, note: str) -> None:
        self.amount, self.note = amount, note

    def __expcore_digest__(self) -> Any:
        return self.amount


class Stateful:
    def __init__(self, value: int, junk: int) -> None:
        self.value, self.junk = value, junk

    def __getstate__(self) -> Any:
        return {"value": self.value}


class Names(list):
    def __init__(self, *args: Any, owner: str = "") -> None:
        super().__init__(*args)
        self.owner = owner


class Config(dict):
    pass


class Degrees(float):
    pass


@dataclass
class Options(dict):
    kind: str = ""


@dataclass
class Rows(list):
    kind: str = ""


class TwoParts:
    def __init__(self, first: Any, second: Any) -> None:
        self.parts = first, second

    def __getstate__(self) -> Any:
        return self.parts

    def __setstate__(self, state: Any) -> None:
        self.parts = state


def filled(value: Any, content: Any) -> Any:
    value.update(content) if isinstance(value, dict) else value.extend(content)
    return value


def cycle_and_dag() -> Any:
    return [cycle_list(1), wide_dag()]


class Method:
    def __init__(self, n: int) -> None:
        self.n = n

    def run(self, x: int) -> int:
        return self.n + x

    def walk(self, x: int) -> int:
        return self.n - x


class Runs(Protocol):
    def run(self, x: int) -> int: ...


class Row(TypedDict):
    a: int


def add_one(x):
    """Add one."""
    return x + 1


def one_more(x: int) -> int:
    # Says the same in other words.
    return x + 1


def add_two(x):
    return x + 2


def with_default(x, y=1):
    return x + y


def with_other_default(x, y=2):
    return x + y


def with_keyword(x, *, y=1):
    return x + y


def other_name(z):
    return z + 1


def documented():
    """Only a docstring."""


def empty():
    pass


def formatted(x, w=1):
    return f"{x!r:>{w}} {x=} {'ab'} {x:.2f}" + "tail"


def formatted_again(x, w=1):
    return f"{x!r:>{w}} {x=} {'ab'} {x:.2f}" + "tail"


def modern(x):
    match x:
        case {"a": [1, *rest]} if (n := len(rest)) > 1:
            return [n for n in rest if n]
        case Point(x=0):
            return lambda q, /, *a, k=3, **kw: (q, a, k, kw)
    try:
        with open(x) as f, open(x):
            yield from f
    except* OSError as e:
        raise ValueError from e
    return 1_000


async def waiting(x):
    async for y in x:
        await y


def counting(x):
    total = 0
    for i in range(x):
        total += i
    return total


def make_adder(n):
    def add(x):
        return x + n

    return add


def make_adder_elsewhere(n):
    # Another place, the same function.
    def add(x: int) -> int:
        """Add n."""
        return x + n

    return add


def make_recursive(base):
    def down(n):
        return base if n == 0 else down(n - 1)

    return down


def make_class(body):
    class Local:
        value = body

        def method(self):
            return 1

    return Local


def make_other_class(body):
    class Local:
        value = body

        def method(self):
            return 2

    Local.__qualname__ = "make_class.<locals>.Local"
    return Local


def decorated(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args)

    return wrapper


two = lambda x: x + 2; twice = lambda x: x * 2  # fmt: skip  # noqa: E702
nested = lambda x: lambda y: x + y


def cycle_list(n: int) -> list[Any]:
    loop: list[Any] = [n]
    loop.append(loop)
    return loop


class Moment(dt.datetime):
    pass


class Ordered(collections.OrderedDict):
    pass


class Node(Pair):
    pass


def cycle_own(value: Any) -> Any:
    value.me = value
    return value


def cycle_pair() -> Pair:
    loop: list[Any] = []
    loop.append(Pair(1, loop))  # type: ignore[arg-type]
    return loop[0]


def cycle_dict(first: str) -> dict[str, Any]:
    loop: dict[str, Any] = {first: 1}
    loop["b" if first == "a" else "a"] = 1
    loop["self"] = loop
    return loop


def tree(value: int) -> Plain:
    root = Plain(value=value)
    root.children = [Plain(parent=root), Plain(parent=root)]
    return root


def wide_dag() -> Any:
    layer: Any = [1, "a"]
    for _ in range(100):
        layer = [layer, layer, (layer, {"k": layer})]
    return layer


def wide_dag_unshared(depth: int, *, share: bool) -> Any:
    if depth == 0:
        return [1, "x" * 600]
    if share:
        part = wide_dag_unshared(depth - 1, share=True)
        return [part, part]
    return [wide_dag_unshared(depth - 1, share=False) for _ in range(2)]


def interned() -> tuple[str, str]:
    return "".join(["config", "_", "key"]), sys.intern("config_key")


NAN = float("nan")
UTC = dt.UTC
BIG = 10**5000

EQUAL: dict[str, Any] = {
    "dict order": lambda: ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "dict order, other keys": lambda: ({1: "a", None: 2, (1, 2): 3}, {(1, 2): 3, None: 2, 1: "a"}),
    "set order": lambda: ({"a", "b", "c"}, {"c", "b", "a"}),
    "set of mixed": lambda: ({1, "a", None, 2.5}, {2.5, None, "a", 1}),
    "set after removals": lambda: ({*range(100)} - {*range(2, 100)}, {1, 0}),
    "frozenset order": lambda: (frozenset("abc"), frozenset("cba")),
    "nested order": lambda: ([{"a": {1, 2}, "b": {}}], [{"b": {}, "a": {2, 1}}]),
    "interning": lambda: interned(),
    "big ints": lambda: (10**50, 10**49 * 10),
    "huge int": lambda: (BIG, BIG + 1 - 1),
    "nan": lambda: (NAN, -NAN),
    "nan from inf": lambda: (NAN, math.inf - math.inf),
    "complex nan": lambda: (complex(NAN, 1), complex(-NAN, 1)),
    "nan in tuple": lambda: ((NAN, 1), (float("nan"), 1)),
    "nan as keys": lambda: ({NAN: 1}, {float("nan"): 1}),
    "sharing": lambda: ((lambda a: [a, a])([1, 2]), [[1, 2], [1, 2]]),
    "sharing, long": lambda: (
        wide_dag_unshared(6, share=True),
        wide_dag_unshared(6, share=False),
    ),
    "sharing in tuples": lambda: ((lambda a: (a, a))("ab" * 400), ("ab" * 400, "a" + "ba" * 399 + "b")),
    "deep sharing ends": lambda: (wide_dag(), wide_dag()),
    "list cycle": lambda: (cycle_list(1), cycle_list(1)),
    "dict cycle": lambda: (cycle_dict("a"), cycle_dict("b")),
    "datetime cycle": lambda: (cycle_own(Moment(2024, 1, 1)), cycle_own(Moment(2024, 1, 1))),
    "ordered dict cycle": lambda: (cycle_own(Ordered(a=1)), cycle_own(Ordered(a=1))),
    "named tuple cycle": lambda: (cycle_own(Node(1, 2)), cycle_own(Node(1, 2))),
    "cycle through a named tuple": lambda: (cycle_pair(), cycle_pair()),
    "object cycle": lambda: (tree(1), tree(1)),
    "sharing beside a cycle": lambda: (cycle_and_dag(), cycle_and_dag()),
    "long str": lambda: ("ab" * 1000, "".join(["ab"] * 1000)),
    "lone surrogate": lambda: ("\ud800", "\ud800"),
    "bytes": lambda: (b"ab" * 1000, bytes(bytearray(b"ab" * 1000))),
    "memoryview strides": lambda: (memoryview(b"abcdef")[::2], memoryview(b"ace")),
    "array.array": lambda: (array.array("i", [1, 2]), array.array("i", (1, 2))),
    "array.array nan": lambda: (array.array("d", [NAN]), array.array("d", [-NAN])),
    "range by content": lambda: (range(0, 10, 3), range(0, 11, 3)),
    "empty range": lambda: (range(0), range(5, 2)),
    "slice": lambda: (slice(1, None), slice(1, None, None)),
    "ordered dict": lambda: (collections.OrderedDict(a=1), collections.OrderedDict([("a", 1)])),
    "default dict": lambda: (collections.defaultdict(int, b=1, a=2), collections.defaultdict(int, a=2, b=1)),
    "counter": lambda: (collections.Counter("abca"), collections.Counter({"c": 1, "b": 1, "a": 2})),
    "deque": lambda: (collections.deque([1, 2], 5), collections.deque((1, 2), maxlen=5)),
    "chain map": lambda: (collections.ChainMap({"a": 1, "b": 2}), collections.ChainMap({"b": 2, "a": 1})),
    "namespace": lambda: (types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)),
    "mapping proxy": lambda: (types.MappingProxyType({"a": 1, "b": 2}), types.MappingProxyType({"b": 2, "a": 1})),
    "dict keys": lambda: ({"a": 1, "b": 2}.keys(), {"b": 3, "a": 4}.keys()),
    "dict items": lambda: ({"a": 1, "b": 2}.items(), {"b": 2, "a": 1}.items()),
    "datetime": lambda: (dt.datetime(2024, 1, 2, 3), dt.datetime.fromisoformat("2024-01-02T03:00")),
    "utc": lambda: (dt.datetime(2024, 1, 2, tzinfo=UTC), dt.datetime.fromisoformat("2024-01-02T00:00:00+00:00")),
    "zone": lambda: (zoneinfo.ZoneInfo("Europe/Paris"), zoneinfo.ZoneInfo.no_cache("Europe/Paris")),
    "timedelta": lambda: (dt.timedelta(days=1), dt.timedelta(hours=24)),
    "decimal": lambda: (decimal.Decimal("1.50"), decimal.Decimal((0, (1, 5, 0), -2))),
    "decimal nan": lambda: (decimal.Decimal("nan"), decimal.Decimal("-NaN")),
    "fraction": lambda: (fractions.Fraction(1, 2), fractions.Fraction(2, 4)),
    "uuid": lambda: (uuid.UUID(int=5), uuid.UUID("00000000-0000-0000-0000-000000000005")),
    "path": lambda: (pathlib.Path("a/b"), pathlib.Path("a") / "b"),
    "path normal form": lambda: (pathlib.Path("a//b/"), pathlib.Path("a/./b")),
    "pattern": lambda: (re.compile("a+"), re.compile("a" + "+")),
    "enum": lambda: (Color.RED, Color["RED"]),
    "flags": lambda: (Perm.R | Perm.W, Perm.W | Perm.R),
    "dataclass": lambda: (Point(1.0), Point(1.0, 0.0)),
    "dataclass, frozen slots": lambda: (Frozen("a", (1,)), Frozen("a", (1,))),
    "named tuple": lambda: (Pair(1, 2), Pair(b=2, a=1)),
    "object": lambda: (Plain(a=1, b=2), Plain(b=2, a=1)),
    "slots": lambda: (Slotted(1, 2), Slotted(1, 2)),
    "cached property": lambda: ((lambda c: (c.square, c)[1])(Cached(3)), Cached(3)),
    "own digest": lambda: (Money(3, "tea"), Money(3, "cake")),
    "own state": lambda: (Stateful(1, 2), Stateful(1, 3)),
    "list subclass": lambda: (Names([1], owner="a"), Names((1,), owner="a")),
    "dict subclass order": lambda: (Config(a=1, b=2), Config(b=2, a=1)),
    "named tuple that computes a field": lambda: (Short(1, 2), Short(1, 2)),
    "exception": lambda: (ValueError("a", 1), ValueError("a", 1)),
    "function, docstring and line": lambda: (add_one, one_more),
    "function, lambda": lambda: (add_one, lambda x: x + 1),
    "function, no body": lambda: (documented, empty),
    "function, one line of lambdas": lambda: (two, add_two),
    "function, nested lambda": lambda: (nested, lambda x: lambda y: x + y),
    "function, f-string": lambda: (formatted, formatted_again),
    "function, closure": lambda: (make_adder(3), make_adder_elsewhere(3)),
    "function, recursive": lambda: (make_recursive(1), make_recursive(1)),
    "function, decorated": lambda: (decorated(add_one), decorated(one_more)),
    "function, cached": lambda: (functools.lru_cache(add_one), functools.lru_cache(one_more)),
    "function, modern": lambda: (modern, modern),
    "function, async": lambda: (waiting, waiting),
    "builtin": lambda: (len, len),
    "bound builtin": lambda: ([1].append, [1].append),
    "operator": lambda: (operator.itemgetter(1), operator.itemgetter(1)),
    "partial": lambda: (functools.partial(add_one, 1, y=2, z=3), functools.partial(one_more, 1, z=3, y=2)),
    "bound method": lambda: (Method(1).run, Method(1).run),
    "class": lambda: (make_class([1]), make_class([1])),
    "typing": lambda: ([Literal[1, "a"], Annotated[int, 3], Optional[int]], [Literal[1, "a"], Annotated[int, 3], Optional[int]]),
    "protocol": lambda: (Runs, Runs),
    "typed dict": lambda: (Row, Row),
    "generic alias": lambda: (list[int], list[int]),
    "union": lambda: (int | None, int | None),
    "module": lambda: (json, sys.modules["json"]),
    "random state": lambda: ((lambda r: r.Random(3))(__import__("random")), (lambda r: r.Random(3))(__import__("random"))),
}  # fmt: skip

DIFFER: dict[str, Any] = {
    "int float": lambda: (1, 1.0),
    "int bool": lambda: (1, True),
    "zero false": lambda: (0, False),
    "int str": lambda: (1, "1"),
    "str bytes": lambda: ("1", b"1"),
    "int decimal": lambda: (1, decimal.Decimal(1)),
    "int fraction": lambda: (1, fractions.Fraction(1)),
    "float complex": lambda: (1.0, 1 + 0j),
    "none false": lambda: (None, False),
    "none str": lambda: (None, "None"),
    "none empty": lambda: (None, ()),
    "empty containers": lambda: ([], ()),
    "empty dict set": lambda: ({}, set()),
    "empty str bytes": lambda: ("", b""),
    "negative zero": lambda: (0.0, -0.0),
    "negative zero in tuple": lambda: ((0.0,), (-0.0,)),
    "negative zero, imaginary": lambda: (complex(0, 0.0), complex(0, -0.0)),
    "inf": lambda: (math.inf, -math.inf),
    "nan inf": lambda: (NAN, math.inf),
    "nan none": lambda: (NAN, None),
    "last bit": lambda: (0.1 + 0.2, 0.3),
    "sign": lambda: (1, -1),
    "big ints": lambda: (10**50, 10**50 + 1),
    "int float, big": lambda: (2**53, float(2**53)),
    "huge int": lambda: (BIG, BIG + 1),
    "unicode form": lambda: ("\u00e9", "e\u0301"),
    "case": lambda: ("a", "A"),
    "trailing space": lambda: ("a", "a "),
    "nul": lambda: ("a", "a\0"),
    "long str": lambda: ("a" * 1000, "a" * 1001),
    "long str bytes": lambda: ("a" * 1000, b"a" * 1000),
    "bytes bytearray": lambda: (b"a", bytearray(b"a")),
    "bytes memoryview": lambda: (b"a", memoryview(b"a")),
    "memoryview shape": lambda: (memoryview(b"abcd"), memoryview(b"abcd").cast("B", (2, 2))),
    "array.array type": lambda: (array.array("i", [1]), array.array("I", [1])),
    "tuple list": lambda: ((1, 2), [1, 2]),
    "list order": lambda: ([1, 2], [2, 1]),
    "framing": lambda: (["ab", "c"], ["a", "bc"]),
    "framing, nesting": lambda: ([[1], 2], [[1, 2]]),
    "framing, depth": lambda: ([[]], [[[]]]),
    "framing, join": lambda: (("a", "b"), ("ab",)),
    "framing, look-alike": lambda: (["s1:a"], "[s1:a]"),
    "dict to pairs": lambda: ({"a": 1}, [("a", 1)]),
    "dict swap": lambda: ({"a": "b"}, {"b": "a"}),
    "dict exchange": lambda: ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
    "dict key type": lambda: ({1: "a"}, {"1": "a"}),
    "dict key int float": lambda: ({1: "a"}, {1.0: "a"}),
    "dict key true": lambda: ({1: "a"}, {True: "a"}),
    "dict none value": lambda: ({"a": None}, {}),
    "dict nesting": lambda: ({"a": {"b": 1}}, {"a": {}, "b": 1}),
    "set list": lambda: ({1}, [1]),
    "set frozenset": lambda: ({1}, frozenset({1})),
    "set member": lambda: ({1, 2}, {1, 3}),
    "set member type": lambda: ({1}, {1.0}),
    "set of sets": lambda: ({frozenset({1}), frozenset({2})}, {frozenset({1, 2})}),
    "cycle depth": lambda: ((lambda a: (a.append(a), a)[1])([]), (lambda a, b: (a.append(b), b.append(a), a)[2])([], [1])),
    "cycle own": lambda: (cycle_own(Moment(2024, 1, 1)), Moment(2024, 1, 1)),
    "cycle own, value": lambda: (cycle_own(Node(1, 2)), cycle_own(Node(1, 3))),
    "cycle value": lambda: (cycle_list(1), cycle_list(2)),
    "cycle target": lambda: ((lambda a, b: (a.append(b), b.append(a), a)[2])([], []), (lambda a, b: (a.append(b), b.append(b), a)[2])([], [])),
    "cycle none": lambda: (cycle_list(1), [1, None]),
    "range list": lambda: (range(3), [0, 1, 2]),
    "range": lambda: (range(3), range(4)),
    "slice": lambda: (slice(1), slice(1, None)),
    "ordered dict order": lambda: (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
    "ordered dict dict": lambda: (collections.OrderedDict(a=1), {"a": 1}),
    "default factory": lambda: (collections.defaultdict(int), collections.defaultdict(list)),
    "default dict dict": lambda: (collections.defaultdict(int, a=1), {"a": 1}),
    "counter dict": lambda: (collections.Counter("a"), {"a": 1}),
    "deque maxlen": lambda: (collections.deque([1], 2), collections.deque([1], 3)),
    "deque list": lambda: (collections.deque([1]), [1]),
    "namespace dict": lambda: (types.SimpleNamespace(a=1), {"a": 1}),
    "date datetime": lambda: (dt.date(2024, 1, 1), dt.datetime(2024, 1, 1)),
    "datetime zone": lambda: (dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=UTC)),
    "datetime same instant": lambda: (dt.datetime(2024, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), dt.datetime(2024, 1, 1, tzinfo=UTC)),
    "datetime fold": lambda: (dt.datetime(2024, 10, 27, 2), dt.datetime(2024, 10, 27, 2, fold=1)),
    "datetime microsecond": lambda: (dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, microsecond=1)),
    "datetime str": lambda: (dt.date(2024, 1, 1), "2024-01-01"),
    "timedelta": lambda: (dt.timedelta(1), dt.timedelta(seconds=1)),
    "decimal places": lambda: (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "decimal float": lambda: (decimal.Decimal("0.5"), 0.5),
    "uuid": lambda: (uuid.UUID(int=5), uuid.UUID(int=6)),
    "uuid str": lambda: (uuid.UUID(int=5), str(uuid.UUID(int=5))),
    "path str": lambda: (pathlib.Path("a"), "a"),
    "path root": lambda: (pathlib.Path("/a"), pathlib.Path("a")),
    "path pure": lambda: (pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a")),
    "path case": lambda: (pathlib.Path("a"), pathlib.Path("A")),
    "pattern flags": lambda: (re.compile("a"), re.compile("a", re.I)),
    "pattern bytes": lambda: (re.compile("a"), re.compile(b"a")),
    "pattern str": lambda: (re.compile("a"), "a"),
    "enum member": lambda: (Color.RED, Color.BLUE),
    "enum class": lambda: (Color.RED, Shade.RED),
    "enum value": lambda: (Color.RED, 1),
    "int enum int": lambda: (Level.LOW, 1),
    "enum class member": lambda: (Color, Color.RED),
    "flags": lambda: (Perm.R, Perm.R | Perm.W),
    "dataclass class": lambda: (Point(1.0), Place(1.0)),
    "dataclass field": lambda: (Point(1.0, 2.0), Point(2.0, 1.0)),
    "dataclass field type": lambda: (Point(1.0), Point(1)),
    "dataclass dict": lambda: (Point(1.0), {"x": 1.0, "y": 0.0}),
    "dataclass extra": lambda: ((lambda p: (setattr(p, "z", 1), p)[1])(Point(1.0)), Point(1.0)),
    "dataclass, frozen slots": lambda: (Frozen("a", (1,)), Frozen("a", (1, 2))),
    "named tuple that computes a field": lambda: (Short(1, 2), Short(1, 3)),
    "named tuple class": lambda: (Pair(1, 2), Twin(1, 2)),
    "named tuple tuple": lambda: (Pair(1, 2), (1, 2)),
    "object class": lambda: (Plain(a=1), Other(a=1)),
    "object name": lambda: (Plain(a=1), Plain(b=1)),
    "object value": lambda: (Plain(a=1), Plain(a=2)),
    "slots unset": lambda: (Slotted(1), Slotted(1, None)),
    "slots value": lambda: (Slotted(1, 2), Slotted(1, 3)),
    "own digest": lambda: (Money(3, ""), Money(4, "")),
    "own digest type": lambda: (Money(3, ""), 3),
    "list subclass attribute": lambda: (Names([1], owner="a"), Names([1], owner="b")),
    "list subclass list": lambda: (Names([1]), [1]),
    "dict subclass dict": lambda: (Config(a=1), {"a": 1}),
    "dataclass and dict": lambda: (filled(Options(), {"a": 1}), filled(Options(), {"a": 2})),
    "dataclass and dict, field": lambda: (Options("a"), Options("b")),
    "dataclass and list": lambda: (filled(Rows(), [1]), Rows()),
    "own state, two parts": lambda: (TwoParts({"a": 1}, {"a": 2}), TwoParts({"a": 3}, {"a": 2})),
    "own state, parted otherwise": lambda: (TwoParts({"a": 1}, {"b": 2}), TwoParts({}, {"a": 1, "b": 2})),
    "float subclass": lambda: (Degrees(1.0), 1.0),
    "float subclass zero": lambda: (Degrees(0.0), Degrees(-0.0)),
    "exception class": lambda: (ValueError("a"), TypeError("a")),
    "exception args": lambda: (ValueError("a"), ValueError("b")),
    "function constant": lambda: (add_one, add_two),
    "function constant type": lambda: (lambda x: x + 1, lambda x: x + 1.0),
    "function constant bool": lambda: (lambda: 1, lambda: True),
    "function operator": lambda: (lambda x: x + 1, lambda x: x - 1),
    "function one line": lambda: (two, twice),
    "function global name": lambda: (lambda x: add_one(x), lambda x: add_two(x)),
    "function attribute": lambda: (lambda x: x.a, lambda x: x.b),
    "function default": lambda: (with_default, with_other_default),
    "function keyword only": lambda: (with_default, with_keyword),
    "function parameter": lambda: (add_one, other_name),
    "function str": lambda: (lambda: "a", lambda: "b"),
    "function none": lambda: (lambda: None, lambda: ...),
    "function closure": lambda: (make_adder(3), make_adder(4)),
    "function closure type": lambda: (make_adder(3), make_adder(3.0)),
    "function recursive": lambda: (make_recursive(1), make_recursive(2)),
    "function async": lambda: (waiting, counting),
    "function decorated": lambda: (decorated(add_one), add_one),
    "function wrapped": lambda: (decorated(add_one), decorated(add_two)),
    "function lambda default": lambda: (lambda x=1: x, lambda x=2: x),
    "builtins": lambda: (len, sum),
    "builtin name": lambda: (len, "len"),
    "bound builtin": lambda: ([1].append, [2].append),
    "operator": lambda: (operator.itemgetter(1), operator.itemgetter(2)),
    "partial args": lambda: (functools.partial(add_one, 1), functools.partial(add_one, 2)),
    "partial keyword": lambda: (functools.partial(add_one, x=1), functools.partial(add_one, 1)),
    "partial function": lambda: (functools.partial(add_one, 1), functools.partial(add_two, 1)),
    "bound method object": lambda: (Method(1).run, Method(2).run),
    "bound method name": lambda: (Method(1).run, Method(1).walk),
    "method bound": lambda: (Method(1).run, Method.run),
    "class instance": lambda: (Plain, Plain()),
    "class name": lambda: (Plain, Other),
    "class attribute": lambda: (make_class(1), make_class(2)),
    "class method": lambda: (make_class(1), make_other_class(1)),
    "class str": lambda: (int, "int"),
    "types": lambda: (int, float),
    "literal": lambda: (Literal[1], Literal[2]),
    "protocol": lambda: (Runs, Row),
    "generic alias": lambda: (list[int], list[str]),
    "alias origin": lambda: (list[int], list),
    "module": lambda: (json, re),
    "not implemented": lambda: (NotImplemented, ...),
    "random state": lambda: ((lambda r: r.Random(3))(__import__("random")), (lambda r: r.Random(4))(__import__("random"))),
}  # fmt: skip

if __name__ == "__main__":
    from expcore import digest

    print(json.dumps({name: digest(make()[0]) for name, make in EQUAL.items()}))
