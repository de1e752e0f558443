"""What is saved and restored: named variables, each stored once whatever its names.

A variable is anything with ``.value`` and ``.assign(value)``; a collection is anything with
``.items()`` that pairs names with variables: objax's ``VarCollection``, a dict,
:class:`VarCollection`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ckpt.errors import NotAVarCollectionError


@runtime_checkable
class Variable(Protocol):
    """Something with a value that can be replaced."""

    @property
    def value(self) -> Any:
        """The value: an array of numpy, jax or torch, or a number."""
        ...

    def assign(self, tensor: Any, /) -> object:
        """Replace the value by one of the same kind, shape and dtype."""
        ...


class Var:
    """A variable that holds what it was given last.

    >>> step = Var(3)
    >>> step.assign(4)
    >>> step.value
    4
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def assign(self, tensor: Any, /) -> None:
        """Replace the value."""
        self.value = tensor

    def __repr__(self) -> str:
        return f"Var({self.value!r})"


Variable.__module__ = Var.__module__ = "ckpt"


class VarCollection(Mapping[str, Variable]):
    """Named variables.

    Args:
        values: For each name a variable, or a value, which gets a variable of its own.

    >>> import numpy as np
    >>> vc = VarCollection({"w": np.zeros(2), "step": 0})
    >>> vc["w"].assign(np.ones(2))
    >>> vc["w"].value
    array([1., 1.])
    >>> sorted(vc + VarCollection({"b": np.zeros(1)}))
    ['b', 'step', 'w']
    """

    def __init__(self, values: Mapping[str, Any] | None = None, /) -> None:
        self._variables: dict[str, Variable] = {
            name: value if is_variable(value) else Var(value)
            for name, value in (values or {}).items()
        }

    def __getitem__(self, name: str) -> Variable:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def items(self) -> Any:
        """The names and variables."""
        return self._variables.items()

    def __add__(self, other: Mapping[str, Any]) -> VarCollection:
        return Merged((self, other if isinstance(other, VarCollection) else VarCollection(other)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"

    def to_restore(self, stored: Stored) -> Mapping[str, Variable]:
        """The variables that a file is to be restored into; a subclass may look into it first.

        Args:
            stored: What the file holds.
        """
        del stored  # a plain collection is what it is
        return self


VarCollection.__module__ = "ckpt"


class Stored(Protocol):
    """What a collection may ask about the file that is being restored."""

    path: str

    def __contains__(self, name: str) -> bool: ...

    def read(self, name: str) -> Any:
        """Read the value of a variable, as an array."""
        ...


class Merged(VarCollection):
    """Several collections as one; each keeps its way of being restored."""

    def __init__(self, parts: tuple[VarCollection, ...]) -> None:
        self._parts = parts
        self._merge(parts)

    def _merge(self, parts: tuple[Mapping[str, Variable], ...]) -> dict[str, Variable]:
        out: dict[str, Variable] = {}
        for part in parts:
            for name, variable in part.items():
                if out.setdefault(name, variable) is not variable:
                    raise ValueError(f"two variables are called {name!r}")
        return out

    def __getitem__(self, name: str) -> Variable:
        return self._merge(self._parts)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._merge(self._parts))

    def __len__(self) -> int:
        return len(self._merge(self._parts))

    def items(self) -> Any:
        """The names and variables, as they are now."""
        return self._merge(self._parts).items()

    def to_restore(self, stored: Stored) -> Mapping[str, Variable]:
        """Ask each part."""
        return self._merge(tuple(part.to_restore(stored) for part in self._parts))


AliasSet: TypeAlias = tuple[Any, list[str]]
"""One variable, and all the names that the collection has for it."""


def is_variable(value: object) -> bool:
    """Whether a value can be had, and replaced."""
    return callable(getattr(value, "assign", None)) and hasattr(value, "value")


def check_collection(vc: Any) -> None:
    """Refuse what cannot be a collection, before anything is done.

    Raises:
        NotAVarCollectionError: It pairs no names with variables.
    """
    if not callable(getattr(vc, "items", None)):
        raise NotAVarCollectionError(f"a {type(vc).__name__}")


def alias_sets(vc: Any) -> list[AliasSet]:
    """The distinct variables of a collection, references followed, in order.

    Raises:
        NotAVarCollectionError: It is no collection, or holds something that is no variable.
    """
    check_collection(vc)
    sets: dict[int, AliasSet] = {}
    for name, found in vc.items():
        variable: Any = found
        if type(variable) is not Var:
            while is_variable(ref := getattr(variable, "ref", None)):  # objax's TrainRef
                variable = ref
            if not is_variable(variable):
                raise NotAVarCollectionError(f"a {type(variable).__name__} called {name!r}")
        known = sets.get(id(variable))
        if known is None:
            sets[id(variable)] = variable, [name]
        else:
            known[1].append(name)
    return list(sets.values())
