"""Restore variables: find, read and check the value of each, and only then assign any."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from ckpt._collection import AliasSet, VarCollection, alias_sets
from ckpt._convert import cast_like, like, to_array
from ckpt._dtypes import Array, from_stored, name_of_dtype, same_bits
from ckpt._rename import RenamedNpz, Renamer
from ckpt.errors import (
    DtypeMismatchError,
    InvalidOptionError,
    MissingVariablesError,
    ShapeMismatchError,
    listed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ckpt._reader import NpzReader


@dataclass(frozen=True, slots=True)
class Options:
    """What of a file is restored, and how."""

    renamer: Renamer | None = None
    only: Sequence[str] | None = None
    strict: bool = True
    cast: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What became of each variable, and what was stored beside them."""

    loaded: tuple[str, ...] = ()
    """Names in the collection that got a value."""
    missing: tuple[str, ...] = ()
    """Names in the collection that the file has no value for."""
    unused: tuple[str, ...] = ()
    """Names in the file, renamed, that nothing asked for."""
    cast: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """For each value that was converted, the dtype in the file and the one here."""
    extra: Any = None
    """The plain data given to ``save(..., extra=…)``."""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """The numbers given to ``save(..., metrics=…)``."""


Report.__module__ = "ckpt"


class Accepting:
    """A variable that judges for itself what may be assigned to it, as a part of a whole."""

    whole: str
    """The name that a selection of names goes by."""

    def accept(self, path: str, name: str, array: Array) -> Any:
        """The value to assign.

        Raises:
            CkptError: The array does not fit.
        """
        raise NotImplementedError

    def undo(self) -> None:
        """Take an assignment back."""


def as_patterns(only: str | Iterable[str] | None) -> Sequence[str] | None:
    """Patterns that can be gone through more than once; None stands for all."""
    return [only] if isinstance(only, str) else None if only is None else list(only)


def select(sets: Sequence[AliasSet], patterns: Sequence[str], *, strict: bool) -> list[AliasSet]:
    """The variables asked for, by any of their names; a state is restored whole, or not at all.

    Raises:
        InvalidOptionError: A pattern fits nothing, if ``strict``: it may be mistyped.
    """
    units: dict[Any, list[AliasSet]] = {}
    for variable, names in sets:
        key = variable.whole if isinstance(variable, Accepting) else id(variable)
        units.setdefault(key, []).append((variable, names))
    chosen: list[AliasSet] = []
    used: set[str] = set()
    for key, parts in units.items():
        names = [name for _, names in parts for name in names]
        names += [key, f"{key}/"] if isinstance(key, str) else []
        found = [pattern for pattern in patterns if any(fits(name, pattern) for name in names)]
        used.update(found)
        chosen += parts if found else []
    idle = [pattern for pattern in patterns if pattern not in used]
    if strict and sets and idle:
        there = listed([name for _, names in sets for name in names])
        raise InvalidOptionError("only", idle[0], f"a pattern that fits a variable: {there}")
    return chosen


def fits(name: str, pattern: str) -> bool:
    """Whether a name fits a shell pattern; a bracket in it may also be one in the name.

    >>> fits("(Sequential)[0](Linear).w", "(Sequential)[0]*"), fits("layer2.w", "layer[12].*")
    (True, True)
    """
    return fnmatchcase(name, pattern) or fnmatchcase(name, pattern.replace("[", "[[]"))


@dataclass(slots=True)
class Match:
    """Which stored variable goes where."""

    pairs: list[tuple[str, str, Any]]
    """Name in the file, name in the collection, variable."""
    missing: list[str]
    unused: list[str]


def match_names(view: RenamedNpz, sets: Iterable[AliasSet]) -> Match:
    """Find the stored variable for each alias set: by the first of its names that the file has.

    Raises:
        AmbiguousNameError: Several stored variables got the name of one.
    """
    match, stored = Match([], [], []), view.stored
    for variable, names in sets:
        for name in names:
            if name in stored:
                match.pairs.append((stored[name], name, variable))
                break
        else:
            match.missing += names
    used = {name for _, name, _ in match.pairs}
    view.check(used)
    match.unused = [name for name in stored if name not in used]
    return match


def restore_variables(reader: NpzReader, vc: Any, options: Options) -> Report:
    """Assign to each variable its stored value: to all of them, or to none.

    Raises:
        BrokenFileError: The file is damaged.
        MissingVariablesError: It has no value for some variable.
        ShapeMismatchError, DtypeMismatchError, AmbiguousNameError: A value does not fit.
        InvalidOptionError: A pattern of ``only`` fits no variable.
    """
    view = RenamedNpz(reader, options.renamer)
    wanted: Any = vc.to_restore(view) if isinstance(vc, VarCollection) else vc
    sets = alias_sets(wanted)
    if options.only is not None:
        sets = select(sets, options.only, strict=options.strict)
    match = match_names(view, sets)
    meta = reader.meta()
    arrays = reader.read(stored for stored, _, _ in match.pairs)
    values: list[tuple[Any, Any, Any]] = []
    cast: dict[str, tuple[str, str]] = {}
    for stored, name, variable in match.pairs:
        array, old = arrays[stored], variable.value
        if type(old) is np.ndarray and array.dtype == old.dtype and array.shape == old.shape:
            values.append((variable, array, old))
            continue
        value, change = fitting(reader.path, name, variable, array, may_cast=options.cast)
        values.append((variable, value, old))
        if change:
            cast[name] = change
    # After the shapes, as in objax: where both are wrong, an AssertionError is expected.
    if match.missing and options.strict:
        raise MissingVariablesError(reader.path, match.missing, match.unused)
    assign_all(values)
    return Report(
        tuple([name for _, name, _ in match.pairs]),
        tuple(match.missing),
        tuple(match.unused),
        cast,
        meta.get("extra"),
        meta.get("metrics", {}),
    )


def assign_all(values: Sequence[tuple[Any, Any, Any]]) -> None:
    """Assign to each variable its new value, or, should one of them refuse it, none.

    Args:
        values: Variables, each with its new value and the one that it has.
    """
    done = 0
    try:
        for variable, value, _ in values:
            variable.assign(value)
            done += 1
    except BaseException:
        for variable, _, old in values[:done]:
            if isinstance(variable, Accepting):
                variable.undo()
            else:
                variable.assign(old)
        raise


def fitting(
    path: str, name: str, variable: Any, array: Array, *, may_cast: bool
) -> tuple[Any, tuple[str, str] | None]:
    """The stored array as a value for a variable, and the change of dtype if there was one.

    Raises:
        ShapeMismatchError, DtypeMismatchError: It is none.
    """
    if isinstance(variable, Accepting):
        return variable.accept(path, name, array), None
    old = variable.value
    current = to_array(name, old)
    if current.shape != array.shape:
        raise ShapeMismatchError(path, name, array.shape, current.shape)
    if same_bits(array.dtype, current.dtype):
        return like(old, from_stored(array, current.dtype)), None
    change = name_of_dtype(array.dtype), name_of_dtype(current.dtype)
    made = cast_like(old, array, current.dtype) if may_cast else None
    if made is None:
        raise DtypeMismatchError(path, name, *change)
    return made, change
