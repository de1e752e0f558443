"""A file under the names that a collection has for its variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ckpt.errors import AmbiguousNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ckpt._dtypes import Array
    from ckpt._reader import NpzReader

Renamer: TypeAlias = "Callable[[str], str] | Mapping[str, str]"


def renaming(renamer: Renamer) -> Callable[[str], str]:
    """A function from names in the file to names here.

    >>> rename = renaming({"encoder/*": "backbone/*", "step": "epoch"})
    >>> rename("encoder/w"), rename("step"), rename("b")
    ('backbone/w', 'epoch', 'b')
    """
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


class RenamedNpz:
    """A file as a collection sees it: under the names that the renamer gives."""

    def __init__(self, reader: NpzReader, renamer: Renamer | None) -> None:
        self.path = reader.path
        self._reader = reader
        names = reader.names if renamer is None else list(map(renaming(renamer), reader.names))
        self.stored = dict(zip(names, reader.names, strict=True))
        """The name in the file for each name."""
        self._several: dict[str, list[str]] = {}
        if len(self.stored) < len(names):
            for name, stored in zip(names, reader.names, strict=True):
                self._several.setdefault(name, []).append(stored)

    def __contains__(self, name: str) -> bool:
        return name in self.stored

    def read(self, name: str) -> Array:
        """Read the value of a variable."""
        self.check([name])
        stored = self.stored[name]
        return self._reader.read([stored])[stored]

    def check(self, wanted: Iterable[str]) -> None:
        """Refuse names that several variables of the file got.

        Raises:
            AmbiguousNameError: One of these is such.
        """
        for name in wanted if self._several else ():
            if len(self._several.get(name, ())) > 1:
                raise AmbiguousNameError(self.path, name, self._several[name])
