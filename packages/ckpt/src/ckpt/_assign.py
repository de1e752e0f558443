"""Restore variables: find, read and check the value of each, and only then assign any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ckpt._collection import AliasSet, VarCollection, alias_sets
from ckpt._convert import like, to_array
from ckpt._dtypes import Array, from_stored, same_bits, stored_dtype
from ckpt.errors import (
    AmbiguousNameError,
    DtypeMismatchError,
    MissingVariablesError,
    ShapeMismatchError,
)

if TYPE_CHECKING:
    from ckpt._npz import NpzReader

Renamer = Callable[[str], str]


@runtime_checkable
class Accepting(Protocol):
    """A variable that judges for itself what may be assigned to it, as an array."""

    def accept(self, path: str, name: str, array: Array) -> Any:
        """The value to assign.

        Raises:
            CkptError: The array does not fit.
        """
        ...


@dataclass
class Match:
    """Which stored variable goes where."""

    pairs: list[tuple[str, str, AliasSet]]
    """Name in the file, name in the collection, variable."""
    missing: list[str]
    unused: list[str]


def match_names(
    path: str, stored: Iterable[str], sets: Iterable[AliasSet], renamer: Renamer | None
) -> Match:
    """Find the stored variable for each alias set: the first of its names that the file has.

    Raises:
        AmbiguousNameError: Several stored variables got the name of one.
    """
    renamed: dict[str, list[str]] = {}
    for name in stored:
        renamed.setdefault(renamer(name) if renamer else name, []).append(name)
    match, used = Match([], [], []), set[str]()
    for aliases in sets:
        found = [name for name in aliases.names if name in renamed]
        if not found:
            match.missing += aliases.names
            continue
        name = found[0]
        if len(renamed[name]) > 1:
            raise AmbiguousNameError(path, name, renamed[name])
        used.add(name)
        match.pairs.append((renamed[name][0], name, aliases))
    match.unused = [name for name in renamed if name not in used]
    return match


def restore_variables(reader: NpzReader, vc: Any, renamer: Renamer | None = None) -> Match:
    """Assign to each variable its stored value: to all of them, or to none.

    Raises:
        BrokenFileError: The file is damaged.
        MissingVariablesError: It has no value for some variable.
        ShapeMismatchError, DtypeMismatchError, AmbiguousNameError: A value does not fit.
    """
    view = RenamedNpz(reader, renamer)
    wanted: Any = vc.to_restore(view) if isinstance(vc, VarCollection) else vc
    match = match_names(reader.path, reader.names, alias_sets(wanted), renamer)
    if match.missing:
        raise MissingVariablesError(reader.path, match.missing, match.unused)
    arrays = reader.read(stored for stored, _, _ in match.pairs)
    values = [
        (aliases.variable, fitting(reader.path, name, aliases.variable, arrays[stored]))
        for stored, name, aliases in match.pairs
    ]
    for variable, value in values:
        variable.assign(value)
    return match


def fitting(path: str, name: str, variable: Any, array: Array) -> Any:
    """The stored array as a value for a variable.

    Raises:
        ShapeMismatchError, DtypeMismatchError: It is none.
    """
    if isinstance(variable, Accepting):
        return variable.accept(path, name, array)
    old = variable.value
    current = to_array(name, old)
    if current.shape != array.shape:
        raise ShapeMismatchError(path, name, array.shape, current.shape)
    if not same_bits(array.dtype, current.dtype):
        expected = str(stored_dtype(current.dtype))
        raise DtypeMismatchError(path, name, str(array.dtype), expected)
    return like(old, from_stored(array, current.dtype))


class RenamedNpz:
    """A file as a collection sees it: under the names that the renamer gives."""

    def __init__(self, reader: NpzReader, renamer: Renamer | None) -> None:
        self.path = reader.path
        self._reader = reader
        self._stored: Mapping[str, str] = {
            renamer(name) if renamer else name: name for name in reader.names
        }

    @property
    def names(self) -> list[str]:
        """The names of the stored variables."""
        return list(self._stored)

    def read(self, names: list[str]) -> dict[str, Any]:
        """Read the values of some of them."""
        arrays = self._reader.read(self._stored[name] for name in names)
        return {name: arrays[self._stored[name]] for name in names}
