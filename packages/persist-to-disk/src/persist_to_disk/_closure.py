"""What the closure of a function holds, as far as it counts.

It counts by its contents at the time of a call, for another may have changed it. What the function
itself changes while it runs, like a list that it logs its calls to, is no part of what its result
depends on: that counts as it was before.
"""

from __future__ import annotations

from contextlib import contextmanager
from types import CellType, FunctionType
from typing import TYPE_CHECKING

from expcore import digest

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
        cells = function.__closure__ or ()
        self._cells = dict(zip(function.__code__.co_freevars, cells, strict=True))
        self._running: list[Digests] = []
        """For each run that goes on, what the closure held when it began."""
        self._changed: Digests = {}
        """What the function changes, as it was before."""

    def digests(self) -> Digests:
        """Return what stands for the contents, by name.

        Raises:
            UndigestableError: Something has no digest.
        """
        found = {name: _digest(name, cell) for name, cell in self._cells.items()}
        for before in self._running[:1]:
            for name, was in before.items():
                if was != found[name]:
                    self._changed.setdefault(name, was)
        return found | self._changed

    @contextmanager
    def running(self) -> Generator[None]:
        """Take note of what the function changes within a ``with`` block."""
        before = self.digests()
        self._running.append(before)
        try:
            yield
        finally:
            try:
                self.digests()
            finally:
                self._running.remove(before)


def without_contents(function: FunctionType) -> FunctionType:
    """Return a function whose digest is that of the code, without closure and defaults."""
    cells = tuple(CellType() for _ in function.__closure__ or ())
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, None, cells or None
    )


def _digest(name: str, cell: CellType) -> str:
    try:
        contents = cell.cell_contents
    except ValueError:  # a function that is defined later
        return EMPTY
    return digest(contents, name=name)
