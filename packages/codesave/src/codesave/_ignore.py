"""Which paths of a folder git would not track, with git or without it.

In a work tree git itself is asked, so that the answer is that of ``git ls-files -co
--exclude-standard``. Elsewhere the ``.gitignore`` files of the folder are read.
``.codesaveignore`` files, of the same syntax, leave out more in both cases.
"""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from codesave._git import run_git

if TYPE_CHECKING:
    from pathlib import Path

    from pathspec import RegexPattern


_Pattern: TypeAlias = "tuple[re.Pattern[str], bool]"
"""What a line matches, and whether that stays out."""

_FOLDERS_BELOW = re.compile(r"(/\*\*)+/[ ]*$")
"""``a/**/`` names all folders below ``a``; pathspec takes it for ``a/``."""


class Ignore(Protocol):
    """Answers for paths relative to one folder, in the order of a walk from its top."""

    def enter(self, folder: Path, relative: str) -> None:
        """Take notice of a folder that is being walked; ``relative`` is "" for the top."""

    def ignores(self, relative: str, *, is_folder: bool) -> bool:
        """Whether the path stays out."""
        ...

    def other_tree(self, relative: str) -> bool:
        """Whether the folder is a repository of its own, with its own rules."""
        ...


def ignore_rules(folder: Path) -> Ignore:
    """The rules for a folder: git's where git knows the folder, else its ignore files."""
    listed = run_git(folder, "ls-files", "-z", "-co", "--exclude-standard")
    if listed is None or _is_ignored(folder):
        return PatternIgnore((".gitignore", ".codesaveignore"))
    return GitIgnore(folder, [os.fsdecode(name) for name in listed.split(b"\0") if name])


def _is_ignored(folder: Path) -> bool:
    """Whether git ignores the whole folder, and lists nothing: who saves it wants its contents."""
    is_top = (folder / ".git").exists()
    return not is_top and run_git(folder, "check-ignore", "-q", ".") is not None


class PatternIgnore:
    """Nested ignore files, the deepest and last match deciding, as gitignore(5) has it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._rules: list[tuple[str, list[_Pattern]]] = []

    def enter(self, folder: Path, relative: str) -> None:
        """Read the folder's ignore files."""
        for name in self._names:
            try:
                lines = (folder / name).read_bytes().removeprefix(BOM_UTF8).split(b"\n")
            except OSError:
                continue
            base = relative + "/" if relative else ""
            texts = [line.decode("utf-8", "surrogateescape") for line in lines]
            self._rules.append((base, [found for text in texts for found in _patterns(text)]))

    def ignores(self, relative: str, *, is_folder: bool) -> bool:
        """Whether the last matching pattern leaves the path out."""
        slash = "/" if is_folder else ""
        decision = False
        for base, patterns in self._rules:
            if relative.startswith(base):
                found = _last_match(patterns, relative[len(base) :] + slash)
                decision = decision if found is None else found
        return decision

    def other_tree(self, relative: str) -> bool:  # noqa: ARG002
        """No folder is known to have rules of its own."""
        return False


def _patterns(line: str) -> list[_Pattern]:
    """The pattern in a line, if there is one; to git one that ends in a backslash is none."""
    from pathspec import GitIgnoreSpec

    text = _FOLDERS_BELOW.sub("/**/*/", line.removesuffix("\r"))
    try:
        found = cast("list[RegexPattern]", list(GitIgnoreSpec.from_lines([text]).patterns))
    except ValueError:
        return []
    return [(one.regex, bool(one.include)) for one in found if one.regex is not None]


def _last_match(patterns: list[_Pattern], path: str) -> bool | None:
    """Whether the last pattern that matches the path itself leaves it out; None without one.

    pathspec also lets a pattern that matches a folder decide about all below it. The walk asks
    about each folder before what is in it, so that a folder left out is never entered, and one
    that is taken in (``!logs/``) takes in nothing that another pattern (``*.log``) leaves out.
    """
    for regex, ignores in reversed(patterns):
        if _matches(regex, path):
            return ignores
    return None


def _matches(regex: re.Pattern[str], path: str) -> bool:
    # The group marks the slash after the folder that matched.
    marked = "ps_d" in regex.groupindex
    return any(
        not marked or match.end("ps_d") in {-1, len(path)} for match in regex.finditer(path)
    )


class GitIgnore:
    """What git lists, less what ``.codesaveignore`` leaves out."""

    def __init__(self, folder: Path, listed: list[str]) -> None:
        self._folder = folder
        self._files = {name.rstrip("/") for name in listed}
        self._folders: set[str] = set()
        for name in listed:
            parent = name.rpartition("/")[0]
            while parent and parent not in self._folders:
                self._folders.add(parent)
                parent = parent.rpartition("/")[0]
        self._own = PatternIgnore((".codesaveignore",))

    def enter(self, folder: Path, relative: str) -> None:
        """Read the folder's ``.codesaveignore``."""
        self._own.enter(folder, relative)

    def ignores(self, relative: str, *, is_folder: bool) -> bool:
        """Whether git does not list the path, or ``.codesaveignore`` leaves it out."""
        if self._own.ignores(relative, is_folder=is_folder):
            return True
        if relative in self._files or (is_folder and relative in self._folders):
            return False
        # git knows no empty folders; the code may (results/, logs/).
        empty = is_folder and _shows_nothing(self._folder / relative)
        return not empty or run_git(self._folder, "check-ignore", "-q", relative) is not None

    def other_tree(self, relative: str) -> bool:
        """Whether git lists the folder as one entry: a submodule or a nested repository."""
        return relative in self._files


def _shows_nothing(folder: Path) -> bool:
    """Whether a folder is empty, or another user's and closed to this one."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return True
