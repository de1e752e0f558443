"""Say how far a transfer is: one callback, ``advance(n)``, for every package."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Advance: TypeAlias = Callable[[int], object]


@contextmanager
def progress_bar(label: str, total: int | None, unit: str = "B") -> Generator[Advance]:
    """Show a bar while the block runs, where a person can see it.

    The bar is tqdm's (extra ``progress``) and needs a terminal on standard error; otherwise
    nothing is written.

    Args:
        label: What is going on.
        total: How much there is to do, in units; None if unknown.
        unit: The unit; ``"B"`` (bytes) is scaled to kB, MB, ….

    Yields:
        ``advance(n)``: call it with the number of units done since the last call.

    >>> with progress_bar("copy", total=3) as advance:
    ...     advance(3)
    """
    if sys.stderr is None or not sys.stderr.isatty():  # pyright: ignore[reportUnnecessaryComparison]  # None under pythonw
        yield _ignore
        return
    try:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        yield _ignore
        return
    with tqdm(desc=label, total=total, unit=unit, unit_scale=unit == "B", leave=False) as bar:
        yield bar.update


def _ignore(_: int) -> None:
    pass
