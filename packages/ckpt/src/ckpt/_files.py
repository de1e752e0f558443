"""Which files of a folder are checkpoints, by the class constants of :class:`ckpt.Checkpoint`."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from ckpt.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIRECTIVE = re.compile(r"%[-+ 0#]*\d*(?:\.\d+)?[diu]")


@dataclass(frozen=True, slots=True)
class Naming:
    """How the files of a folder are named.

    >>> naming = Naming(match="*.npz", format="%010d.npz")
    >>> naming.number("logs/ckpt/0000000042.npz")
    42
    """

    match: str
    format: str

    def check(self, number: Callable[[str], int]) -> None:
        """Refuse a form that files cannot have; warn of one by which they are not found again.

        Args:
            number: A file's number, from its name.

        Raises:
            InvalidOptionError: It has no place for a number, or folders in it (ValueError).
        """
        try:
            tried = {idx: self.format % idx for idx in (1, 10)}
        except (TypeError, ValueError) as error:
            expected = "a form for one number, such as '%010d.npz'"
            raise InvalidOptionError("FILE_FORMAT", self.format, expected) from error
        if any(os.path.basename(name) != name for name in tried.values()):  # noqa: PTH119
            expected = "a name without folders, which have their place in DIR_NAME"
            raise InvalidOptionError("FILE_FORMAT", self.format, expected)
        for idx, name in tried.items():
            try:
                found = self.fitting(name, number)
            except Exception:  # of a subclass that is not ready before its own __init__
                return
            if found != idx:
                warnings.warn(
                    f"{name}, as FILE_FORMAT {self.format!r} calls checkpoint {idx}, is not found "
                    f"again by FILE_MATCH {self.match!r} and checkpoint_idx: such files are "
                    "restored only by their number, and never deleted",
                    stacklevel=4,
                )
                return

    def number(self, filename: str) -> int:
        """The number in a file's name; where it does not fit, as objax finds it: up to the dot.

        Raises:
            ValueError: There is no number in it.
        """
        name = os.path.basename(filename)  # noqa: PTH119 -- of any string, not only of a path
        found = _pattern(self.format).fullmatch(name)
        return int(found.group(1)) if found else int(name.split(".")[0])

    def numbered(self, folder: Path, number: Callable[[str], int]) -> dict[int, Path]:
        """The files that have exactly the name that their number gives, newest first."""
        found: dict[int, Path] = {}
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return {}
        for entry in entries:
            idx = self.fitting(entry.name, number)
            if idx is not None and _is_file(entry):
                found[idx] = folder / entry.name
        return dict(sorted(found.items(), reverse=True))

    def fitting(self, name: str, number: Callable[[str], int]) -> int | None:
        """The number of a file that has exactly the name that its number gives, else None."""
        if not fnmatchcase(name, self.match):
            return None
        try:
            idx = number(name)
        except ValueError:
            return None
        return idx if self.format % idx == name else None


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it was a file when it was listed.

    Not whether it still is: while others save, the newest two may be gone by now, and who took
    them for none would restore an old one. Opened, it is missing, and the folder listed again.
    """
    try:
        return entry.is_file()
    except OSError:  # of a link that leads to itself
        return False


@lru_cache(maxsize=32)
def _pattern(format_: str) -> re.Pattern[str]:
    directive = DIRECTIVE.search(format_.replace("%%", "\0\0"))
    if directive is None:
        return re.compile(r"(?!)()")  # of a format of another kind nothing is known
    before, after = format_[: directive.start()], format_[directive.end() :]
    literal = [re.escape(part.replace("%%", "%")) for part in (before, after)]
    return re.compile(rf"{literal[0]} *([-+]?\d+) *{literal[1]}")
