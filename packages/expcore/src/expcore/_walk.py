"""One pass over one value: what an encoder is given besides the value.

Encoders by exact type are in :data:`TABLE`; others are found by :mod:`expcore._resolve`.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from xxhash import xxh3_128_digest

from expcore._digest import new_hasher
from expcore._resolve import resolve
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from expcore._digest import Hasher

LIMIT_BYTES = 512
"""Longer encodings are replaced by their digests."""
MOST_TURNS = 500_000
"""Where parts lead to each other in all directions, there are more ways than can be gone."""
_TANGLED = (
    "its parts lead to each other in too many ways; give its class a method __expcore_digest__, "
    "or use expcore.register"
)


class Walk:
    """One pass over one value: where it is, and what it has seen."""

    __slots__ = ("algorithm", "keep", "memo", "met", "stack", "turned", "turns")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.stack: dict[int, int] = {}
        """The containers around the present value: their ids, and how deep they are."""
        self.memo: dict[int, bytes] = {}
        """Long encodings by id, so that a value that is shared is encoded once."""
        self.keep: list[object] = []
        """What the memo knows must not be freed, or its id would come to mean another."""
        self.met: set[int] = set()
        """Containers that lead into cycles, by id; they are kept, too."""
        self.turned = 0
        """So many of the containers around the present value have met a cycle."""
        self.turns = 0
        """How often one of them was encoded again, on another way that leads to it."""

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
        data = b"o%b%b." % (self.encode(kind), b"".join(parts))
        return data if len(data) <= LIMIT_BYTES else self.collapse(data)

    def attributes(self, values: Mapping[str, Any]) -> bytes:
        """Return the encoding of named parts, in whatever order they come."""
        parts: list[bytes] = []
        name = ""
        try:
            for name in sorted(values):
                parts += self.encode(name), self.encode(values[name])
        except UndigestableError as error:
            error.prepend(f".{name}")
            raise
        data = b"{%b}" % b"".join(parts)
        return data if len(data) <= LIMIT_BYTES else self.collapse(data)

    def enter(self, value: object, *, own: bool = False) -> bytes | None:
        """Go one level down; return an encoding instead if the value is known already.

        Every ``enter`` that returned None is followed by a :meth:`leave`, unless the walk ends.

        Args:
            value: An object.
            own: Not all of the value, but the attributes that it has besides its content.
        """
        key = ~id(value) if own else id(value)
        if key in self.stack:
            self.turned = len(self.stack)
            return b"^%x;" % (len(self.stack) - self.stack[key])
        if key in self.memo:
            return self.memo[key]
        self.stack[key] = len(self.stack)
        return None

    def leave(self, value: object, data: bytes, *, own: bool = False) -> bytes:
        """Come back up with an encoding."""
        key = ~id(value) if own else id(value)
        depth = self.stack.pop(key)
        # What leads into a cycle may be encoded otherwise elsewhere.
        is_cyclic = depth < self.turned
        if is_cyclic:
            self.turned = depth
            if key not in self.met:
                self.met.add(key)
                self.keep.append(value)
            elif self.turns == MOST_TURNS:
                raise UndigestableError("", type(value).__qualname__, _TANGLED)
            else:
                self.turns += 1
        if len(data) <= LIMIT_BYTES:
            return data
        data = self.collapse(data)
        if not is_cyclic:
            self.memo[key] = data
            self.keep.append(value)
        return data


Encoder: TypeAlias = "Callable[[Any, Walk], bytes]"

TABLE: dict[type, Encoder] = {}
"""Encoders by exact type; :mod:`expcore._encoders_builtin` fills it."""
