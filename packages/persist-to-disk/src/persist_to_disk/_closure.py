"""What the closure of a function holds, as far as it counts.

It counts by its contents at the time of a call, for another may have changed it. What the function
itself changes while it runs, like a list that it logs its calls to, is no part of what its result
depends on. So what it leaves behind stands for what was there before, until somebody else changes
that too.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING

from expcore import UndigestableError, digest

if TYPE_CHECKING:
    from collections.abc import Generator

Digests = dict[str, str]
EMPTY = ""


class Closure:
    """The closure of one function.

    Args:
        function: A function with a closure.
    """

    def __init__(self, function: FunctionType) -> None:
        self._code = function.__code__
        cells = function.__closure__ or ()
        self._cells = dict(zip(function.__code__.co_freevars, cells, strict=True))
        self._running: list[_Run] = []
        self._left: dict[str, tuple[str, str]] = {}
        """What the function has left behind last, by name, and what that stands for."""

    def digests(self) -> Digests:
        """Return what stands for the contents, by name.

        Raises:
            UndigestableError: Something has no digest.
        """
        return self._standing_for(self._found())

    @contextmanager
    def running(self) -> Generator[None]:
        """Take note of what the function changes within a ``with`` block."""
        try:
            found = self._found()
        except UndigestableError:  # so no call of it is cached
            yield
            return
        run = _Run(self._cells, found, self._standing_for(found))
        self._running.append(run)
        try:
            yield
        finally:
            self._running.remove(run)
            with suppress(UndigestableError):  # the next call will say so; this one has a result
                self._note(run, self._found())

    def _found(self) -> Digests:
        return {name: _digest(name, cell) for name, cell in self._cells.items()}

    def _standing_for(self, found: Digests) -> Digests:
        """Return what stands for contents, by name."""
        for run in self._running[:1]:
            self._note(run, found)
        standing = dict(found)
        for name, each in found.items():
            left, before = self._left.get(name, (None, each))
            if each == left:
                standing[name] = before
        return standing

    def _note(self, run: _Run, found: Digests) -> None:
        """Take note of what a run has changed so far."""
        for name, each in found.items():
            if each != run.found[name] and self._is_own(name, run):
                self._left[name] = each, run.before[name]

    def _is_own(self, name: str, run: _Run) -> bool:
        """Say whether the function can have changed this, and not only somebody meanwhile."""
        return contents_of(self._cells[name]) is run.contents[name] or _binds(self._code, name)


class _Run:
    """What a closure held when a run of the function began: as it is, and what it stands for."""

    def __init__(self, cells: dict[str, CellType], found: Digests, before: Digests) -> None:
        self.contents = {name: contents_of(cell) for name, cell in cells.items()}
        self.found, self.before = found, before


def without_contents(function: FunctionType) -> FunctionType:
    """Return a function whose digest is that of the code, without closure and defaults."""
    cells = tuple(CellType() for _ in function.__closure__ or ())
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, None, cells or None
    )


def contents_of(cell: CellType) -> object:
    """Return what a variable of a closure holds, or :data:`EMPTY`."""
    try:
        return cell.cell_contents
    except ValueError:  # a function that is defined later
        return EMPTY


def _digest(name: str, cell: CellType) -> str:
    contents = contents_of(cell)
    return EMPTY if contents is EMPTY else digest(contents, name=name)


def _binds(code: CodeType, name: str) -> bool:
    """Say whether a function, or one within it, gives a variable of its closure another value."""
    import dis

    if name not in (*code.co_freevars, *code.co_cellvars):
        return False
    return any(
        step.opname in {"STORE_DEREF", "DELETE_DEREF"} and step.argval == name
        for step in dis.get_instructions(code)
    ) or any(_binds(part, name) for part in code.co_consts if isinstance(part, CodeType))
