"""Compare what a file holds with what a model has, before anything changes."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from ._bytes import dtype_name
from ._report import LoadReport
from ._state import is_lazy
from .errors import StateMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from ._state import State
    from ._stored import Stored, StoredTensor

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of a file is wanted, and how much may differ."""

    strict: bool = True
    """False: names may be missing or left over."""
    partial: bool = False
    """True: shapes and dtypes may differ as well; what does not fit is left out."""
    include: tuple[str, ...] = ()
    """Patterns of the names that are wanted, ``encoder.*``; all when empty."""
    rename: Mapping[str, str] | None = None
    """Names, or beginnings of names up to a dot, in the file -> in the model; "" begins others."""
    convert: bool = False
    """True: dtypes may differ, the values are converted."""

    def wants(self, name: str) -> bool:
        """Tell whether a name of the model is wanted."""
        return not self.include or any(fnmatchcase(name, pattern) for pattern in self.include)

    def among(self, items: Mapping[str, V]) -> dict[str, V]:
        """Return the wanted ones of the items of a model."""
        if not self.include:
            return dict(items)
        return {name: item for name, item in items.items() if self.wants(name)}

    def renamed(self, items: Mapping[str, V]) -> dict[str, V]:
        """Return the items of a file under the names of the model."""
        if not self.rename:
            return dict(items)
        return {self._rename(name): item for name, item in items.items()}

    def collisions(self, names: Iterable[str]) -> list[str]:
        """Return a line for each two names of a file that become one."""
        sources: dict[str, str] = {}
        lines: list[str] = []
        for name in names if self.rename else ():
            target = self._rename(name)
            first = sources.setdefault(target, name)
            if first != name and self.wants(target):
                lines.append(f"{target}: both {first} and {name} of the file are renamed to it")
        return lines

    def _rename(self, name: str) -> str:
        rename = self.rename or {}
        head = name
        while head:
            if head in rename:
                return (rename[head] + name[len(head) :]).removeprefix(".")
            head = head.rpartition(".")[0]
        return f"{rename['']}.{name}".removeprefix(".") if "" in rename else name


@dataclass(frozen=True, slots=True)
class Match:
    """What will be loaded."""

    tensors: dict[str, StoredTensor]
    values: dict[str, Any]
    report: LoadReport


def match(
    state: State, stored: Stored, values: Mapping[str, Any], class_name: str, wanted: Selection
) -> Match:
    """Decide what is loaded.

    Raises:
        StateMismatchError: More differs than ``wanted`` allows; lists all of it.
    """
    tensors = {name: tensor for name, tensor in stored.tensors.items() if name not in values}
    available = wanted.among(wanted.renamed(tensors))
    others = wanted.among(wanted.renamed(values))
    expected = wanted.among(state.tensors)
    missing: list[str] = []
    differing: dict[str, str] = {}
    loaded: dict[str, StoredTensor] = {}
    for name, here in expected.items():
        there = available.get(name)
        if there is None:
            missing.append(name)
        elif difference := _difference(there, here, convert=wanted.convert):
            differing[name] = difference
        else:
            loaded[name] = there
    missing += [name for name in state.values if wanted.wants(name) and name not in others]
    unexpected = [
        name
        for name in {**available, **others}
        if name not in expected and name not in state.values
    ]
    ties = [[name for name in tie if name in expected] for tie in state.ties]
    for tie in ties:
        # A name of a tied parameter that the file leaves out is loaded through the others.
        if any(name in available for name in tie):
            missing = [name for name in missing if name not in tie]
    untied = [line for tie in ties if (line := _untied(tie, loaded))]
    problems = [*wanted.collisions([*stored.tensors, *values]), *untied]
    if not wanted.partial:
        problems += [f"{name}: {difference}" for name, difference in sorted(differing.items())]
        if wanted.strict:
            problems += [f"{name}: missing in the file" for name in missing]
            problems += [f"{name}: not in the model" for name in sorted(unexpected)]
    if problems:
        raise StateMismatchError(stored.path, class_name, problems)
    taken = {name: value for name, value in others.items() if name in state.values}
    report = LoadReport(
        path=stored.path,
        loaded=(*loaded, *taken),
        missing=tuple(missing),
        unexpected=tuple(sorted(unexpected)),
        differing=tuple(f"{n}: {differing[n]}" for n in sorted(differing)),
    )
    return Match(loaded, taken, report)


def _difference(there: StoredTensor, here: Tensor, *, convert: bool) -> str:
    # A lazy parameter takes the shape of what is loaded.
    if not is_lazy(here) and there.shape != here.shape:
        dtype = dtype_name(here.dtype)
        return f"{there} in the file, {dtype} {list(here.shape)} in the model"
    if not convert and there.dtype != (dtype := dtype_name(here.dtype)):
        return f"{there.dtype} in the file, {dtype} in the model (dtype= converts)"
    return ""


def _untied(tie: Sequence[str], loaded: Mapping[str, StoredTensor]) -> str:
    """Say so if one parameter of the model would get several values."""
    import torch

    first, *rest = [name for name in tie if name in loaded] or [""]
    for name in rest:
        if loaded[first].same == loaded[name].same:
            continue
        if not torch.equal(loaded[first].get(), loaded[name].get()):
            return f"{first} and {name}: one parameter in the model, two different in the file"
    return ""
