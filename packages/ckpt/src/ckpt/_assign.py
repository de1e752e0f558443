"""Restore variables: find, read and check the value of each, and only then assign any."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ckpt._collection import AliasSet, VarCollection, alias_sets
from ckpt._convert import cast_like, like, to_array
from ckpt._dtypes import Array, from_stored, name_of_dtype, same_bits
from ckpt.errors import (
    AmbiguousNameError,
    DtypeMismatchError,
    MissingVariablesError,
    ShapeMismatchError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ckpt._reader import NpzReader

Renamer: TypeAlias = "Callable[[str], str] | Mapping[str, str]"


@dataclass(frozen=True, slots=True)
class Options:
    """What of a file is restored, and how."""

    renamer: Renamer | None = None
    only: str | Iterable[str] | None = None
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


def renaming(renamer: Renamer | None) -> Callable[[str], str]:
    """A function from names in the file to names here.

    >>> rename = renaming({"encoder/*": "backbone/*", "step": "epoch"})
    >>> rename("encoder/w"), rename("step"), rename("b")
    ('backbone/w', 'epoch', 'b')
    """
    if renamer is None:
        return str
    if callable(renamer):
        return renamer
    exact = {old: new for old, new in renamer.items() if not old.endswith("*")}
    prefixes = {
        old[:-1]: new.removesuffix("*") for old, new in renamer.items() if old.endswith("*")
    }

    def rename(name: str) -> str:
        if name in exact:
            return exact[name]
        for old, new in prefixes.items():
            if name.startswith(old):
                return new + name.removeprefix(old)
        return name

    return rename


def selected(aliases: AliasSet, only: str | Iterable[str] | None) -> bool:
    """Whether a variable is among those asked for, by any of its names."""
    if only is None:
        return True
    names = list(aliases.names)
    if isinstance(aliases.variable, Accepting):  # an optimizer's state is restored whole
        names += [aliases.variable.whole, f"{aliases.variable.whole}/"]
    patterns = [only] if isinstance(only, str) else list(only)
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


@dataclass(slots=True)
class Match:
    """Which stored variable goes where."""

    pairs: list[tuple[str, str, AliasSet]]
    """Name in the file, name in the collection, variable."""
    missing: list[str]
    unused: list[str]


def match_names(path: str, stored: Mapping[str, list[str]], sets: Iterable[AliasSet]) -> Match:
    """Find the stored variable for each alias set: the first of its names that the file has.

    Raises:
        AmbiguousNameError: Several stored variables got the name of one.
    """
    match, used = Match([], [], []), set[str]()
    for aliases in sets:
        found = [name for name in aliases.names if name in stored]
        if not found:
            match.missing += aliases.names
            continue
        name = found[0]
        if len(stored[name]) > 1:
            raise AmbiguousNameError(path, name, stored[name])
        used.add(name)
        match.pairs.append((stored[name][0], name, aliases))
    match.unused = [name for name in stored if name not in used]
    return match


def restore_variables(reader: NpzReader, vc: Any, options: Options) -> Report:
    """Assign to each variable its stored value: to all of them, or to none.

    Raises:
        BrokenFileError: The file is damaged.
        MissingVariablesError: It has no value for some variable.
        ShapeMismatchError, DtypeMismatchError, AmbiguousNameError: A value does not fit.
    """
    view = RenamedNpz(reader, renaming(options.renamer))
    wanted: Any = vc.to_restore(view) if isinstance(vc, VarCollection) else vc
    sets = [aliases for aliases in alias_sets(wanted) if selected(aliases, options.only)]
    match = match_names(reader.path, view.stored, sets)
    if match.missing and options.strict:
        raise MissingVariablesError(reader.path, match.missing, match.unused)
    meta = reader.meta()
    arrays = reader.read(stored for stored, _, _ in match.pairs)
    values: list[tuple[Any, Any]] = []
    cast: dict[str, tuple[str, str]] = {}
    for stored, name, aliases in match.pairs:
        value, change = fitting(
            reader.path, name, aliases.variable, arrays[stored], may_cast=options.cast
        )
        values.append((aliases.variable, value))
        if change:
            cast[name] = change
    for variable, value in values:
        variable.assign(value)
    return Report(
        tuple(name for _, name, _ in match.pairs),
        tuple(match.missing),
        tuple(match.unused),
        cast,
        meta.get("extra"),
        meta.get("metrics", {}),
    )


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
    if type(old) is np.ndarray and array.dtype == old.dtype and array.shape == old.shape:
        return array, None
    if current.shape != array.shape:
        raise ShapeMismatchError(path, name, array.shape, current.shape)
    if same_bits(array.dtype, current.dtype):
        return like(old, from_stored(array, current.dtype)), None
    change = name_of_dtype(array.dtype), name_of_dtype(current.dtype)
    made = cast_like(old, array, current.dtype) if may_cast else None
    if made is None:
        raise DtypeMismatchError(path, name, *change)
    return made, change


class RenamedNpz:
    """A file as a collection sees it: under the names that the renamer gives."""

    def __init__(self, reader: NpzReader, rename: Callable[[str], str]) -> None:
        self.path = reader.path
        self._reader = reader
        self.stored: dict[str, list[str]] = {}
        for name in reader.names:
            self.stored.setdefault(rename(name), []).append(name)

    def __contains__(self, name: str) -> bool:
        return name in self.stored

    def read(self, name: str) -> Array:
        """Read the value of a variable."""
        (stored, *others) = self.stored[name]
        if others:
            raise AmbiguousNameError(self.path, name, [stored, *others])
        return self._reader.read([stored])[stored]
