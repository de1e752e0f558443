"""Walk a folder and say, for each thing in it, whether it goes into the zip.

Nothing that lies in a folder makes the walk fail: what cannot or should not be saved comes back
as a :class:`Skipped` with the reason. Symbolic links are followed, so that the zip holds what an
import of the folder would have read; a link that leads back to a folder above it is skipped.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codesave._ignore import Ignore, PatternIgnore, ignore_rules
from codesave._names import MANIFEST_NAME, legible, spelling, unportable
from codesave._rules import Selection, is_never_code, is_source
from codesave._secrets import is_secret, key_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 200
"""Folders within each other; below, Python's limit of calls is near."""
_NOT_THE_MANIFEST = "has the name of the manifest, and each zip gets its own"


class Chosen(NamedTuple):
    """A file or an empty-able folder that goes into the zip."""

    name: str
    """Its relative name in the zip, with slashes; a folder's ends in one."""
    path: str
    """Where it lies: text, since there may be very many."""
    size: int = 0
    """Bytes when it was looked at."""
    executable: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Skipped:
    """Something of the folder that is not in the zip, and why."""

    name: str
    reason: str
    """A sentence's end: "looks like a secret", "is larger than the limit (3 MB)"."""

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"


def choose(
    folder: Path, selection: Selection, *, output: Path | None = None, prefix: str = ""
) -> tuple[list[Chosen], list[Skipped]]:
    """List what of the folder goes into the zip, and what is worth reporting as left out.

    What the ignore rules leave out and by-products such as ``__pycache__`` are not reported.

    Args:
        folder: An existing folder.
        selection: What is wanted.
        output: The zip being written or a folder of results, never part of what is saved.
        prefix: Put before each name, as in ``"mylib/"``.
    """
    walk = _Walk(selection, output and output.resolve())
    if problem := unportable(prefix):
        walk.skip(prefix, problem)
        return [], walk.skipped
    walk.folder(folder, prefix.rstrip("/"), "", ignore_rules(folder), (folder.resolve(),))
    return sorted(walk.chosen), sorted(walk.skipped)


def choose_file(path: Path) -> tuple[list[Chosen], list[Skipped]]:
    """The same for one file that was asked for by its path, and goes to the top of the zip."""
    found = path.stat()
    problem = unportable(path.name)
    if not stat.S_ISREG(found.st_mode):
        problem = "is no regular file"
    elif path.name == MANIFEST_NAME:
        problem = _NOT_THE_MANIFEST
    if problem:
        return [], [Skipped(legible(path.name), problem)]
    executable = bool(found.st_mode & stat.S_IXUSR)
    return [Chosen(path.name, str(path), found.st_size, executable)], []


class _Walk:
    def __init__(self, selection: Selection, output: Path | None) -> None:
        self.selection, self.output = selection, output
        self.chosen: list[Chosen] = []
        self.skipped: list[Skipped] = []

    def folder(
        self, folder: Path, name: str, relative: str, ignore: Ignore, above: tuple[Path, ...]
    ) -> None:
        """Walk one folder; ``name`` is its name in the zip, ``relative`` its name to ignore."""
        here = Chosen(name + "/", str(folder))
        if name:
            self.chosen.append(here)
        ignore.enter(folder, relative)
        for entry in self._entries(folder, name):
            spelled = spelling(entry)
            self.entry(entry, _join(name, spelled), _join(relative, spelled), ignore, above)
        # A folder that was made for the zip, and holds nothing else, is no part of the code.
        if self.output and above[-1] in self.output.parents and self.chosen[-1:] == [here]:
            self.chosen.pop()

    def _entries(self, folder: Path, name: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.skip(name or ".", f"cannot be read ({error.strerror})")
            return
        names = [entry.name for entry in entries]
        unwanted = {bad for drop in self.selection.filters for bad in drop(str(folder), names)}
        yield from (entry for entry in entries if entry.name not in unwanted)

    def entry(
        self,
        entry: os.DirEntry[str],
        name: str,
        relative: str,
        ignore: Ignore,
        above: tuple[Path, ...],
    ) -> None:
        """Choose or skip one entry of a folder."""
        asked_for = self.selection.asked_for(name)
        if not asked_for and (is_never_code(entry.name) or self.selection.unwanted(name)):
            return
        problem = unportable(name)
        if problem:
            self.skip(name, problem)
            return
        try:
            found = entry.stat()  # of what a link leads to
            is_link = entry.is_symlink()
        except OSError as error:
            dangling = entry.is_symlink()
            reason = "is a link to nothing" if dangling else f"cannot be read ({error.strerror})"
            if not ignore.ignores(relative, is_folder=False):
                self.skip(name, reason)
            return
        is_folder = stat.S_ISDIR(found.st_mode)
        if not is_folder and not stat.S_ISREG(found.st_mode):
            self.skip(name, "is no regular file")
            return
        # To git a link is a file, wherever it leads.
        if not asked_for and ignore.ignores(relative, is_folder=is_folder and not is_link):
            return
        if self._is_output(entry):
            return
        if is_folder:
            self._subfolder(Path(entry.path), name, relative, ignore, above, is_link=is_link)
        else:
            self._file(entry.path, name, found, is_link=is_link)

    def _subfolder(
        self,
        path: Path,
        name: str,
        relative: str,
        ignore: Ignore,
        above: tuple[Path, ...],
        *,
        is_link: bool,
    ) -> None:
        if _is_environment(path) and not self.selection.asked_for(name):
            return
        if len(above) > _DEEPEST:
            self.skip(name, f"lies more than {_DEEPEST} folders deep")
            return
        if is_link:
            target = path.resolve()
            if target in above:
                self.skip(name, "is a link to a folder that it lies in")
                return
            rules = PatternIgnore((".gitignore", ".codesaveignore"))
            self.folder(path, name, "", rules, (*above, target))
        elif ignore.other_tree(relative):
            self.folder(path, name, "", ignore_rules(path), (*above, path.resolve()))
        else:
            self.folder(path, name, relative, ignore, (*above, above[-1] / path.name))

    def _file(self, path: str, name: str, found: os.stat_result, *, is_link: bool) -> None:
        selection = self.selection
        if name == MANIFEST_NAME:
            if not _is_of_codesave(path):  # an unpacked zip
                self.skip(name, _NOT_THE_MANIFEST)
            return
        if selection.py_only and not name.endswith(".py"):
            return
        if not selection.asked_for(name):
            if is_secret(name) or (is_link and is_secret(Path(path).resolve().name)):
                self.skip(name, "looks like a secret")
                return
            if key := key_in(path, found.st_size):
                self.skip(name, f"holds {key}")
                return
            limit = selection.larger_than
            if limit is not None and found.st_size > limit and not is_source(name):
                self.skip(name, f"is {found.st_size:,} bytes, above the limit of {limit:,}")
                return
        executable = bool(found.st_mode & stat.S_IXUSR)
        self.chosen.append(Chosen(name, path, found.st_size, executable))

    def _is_output(self, entry: os.DirEntry[str]) -> bool:
        output = self.output
        if output is None or output.name not in entry.name:
            return False
        if entry.name == output.name:
            return Path(entry.path).resolve() == output
        # A killed writer's leftover lies beside the zip it was writing.
        leftover = entry.name.startswith(f".{output.name}.") and entry.name.endswith(".tmp")
        return leftover and Path(entry.path).parent.resolve() == output.parent

    def skip(self, name: str, reason: str) -> None:
        """Report something that is left out."""
        self.skipped.append(Skipped(legible(name), reason))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_environment(path: Path) -> bool:
    """Whether the folder is a virtual environment, a conda one, or wandb's own files."""
    # os.path, since the methods of Path raise where the folder is another user's.
    if os.path.isfile(path / "pyvenv.cfg") or os.path.isdir(path / "conda-meta"):  # noqa: PTH112, PTH113
        return True
    return path.name == "wandb" and not os.path.exists(path / "__init__.py")  # noqa: PTH110


def _is_of_codesave(manifest: str) -> bool:
    from codesave._manifest import FORMAT

    try:
        return FORMAT.encode() in Path(manifest).read_bytes()
    except OSError:
        return False
