# ruff: noqa: SIM905 - a list of patterns reads best as text
"""Which files are source, which are never code, and what of the rest is wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatch, translate
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


Filter: TypeAlias = "Callable[[str, list[str]], Iterable[str]]"
"""A function like those of :func:`shutil.copytree`: (folder, names) to the names left out."""


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One expression for all the globs: six thousand files are matched against each."""
    return re.compile("|".join(translate(pattern) for pattern in patterns))


_SOURCE_SUFFIXES = frozenset(
    ".py .pyi .pyx .pxd .pxi .c .h .cc .cpp .cxx .hpp .cu .cuh .f .f90 .go .java .jl .js .lua .m "
    ".pl .proto .r .rs .scala .sh .bash .sql .swift .ts".split()
)
_NEVER_CODE_NAMES = (
    ".git .hg .svn .bzr __pycache__ node_modules .venv .tox .nox .eggs .mypy_cache .pytest_cache "
    ".ruff_cache .hypothesis .ipynb_checkpoints .DS_Store *.pyc *.pyo nohup.out slurm-*.out"
).split()
_NEVER_CODE = any_of(_NEVER_CODE_NAMES)


def is_source(name: str) -> bool:
    """Whether the file is program text, which no size limit leaves out."""
    return "." + name.rpartition(".")[2].lower() in _SOURCE_SUFFIXES


def is_never_code(name: str) -> bool:
    """Whether a file or folder of this name is a by-product that is never saved."""
    return _NEVER_CODE.match(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a folder is wanted."""

    larger_than: int | None = None
    """Files above this many bytes stay out unless they are source; None for no limit."""
    py_only: bool = False
    patterns: Sequence[str] = ()
    """Globs on the name or on the relative path of what stays out."""
    include: Sequence[str] = ()
    """Globs on the name or on the relative path of what goes in although it looks like a
    secret, is too large or is a by-product."""
    filters: Sequence[Filter] = ()

    def asked_for(self, path: str) -> bool:
        """Whether ``include`` names this path."""
        return _named(path, self.include)

    def unwanted(self, path: str) -> bool:
        """Whether ``patterns`` names this path."""
        return _named(path, self.patterns)


def _named(path: str, patterns: Sequence[str]) -> bool:
    if not patterns:
        return False
    name = path.rpartition("/")[2]
    return any(
        fnmatch(name, pattern.rstrip("/")) or fnmatch(path, pattern.rstrip("/"))
        for pattern in patterns
    )
