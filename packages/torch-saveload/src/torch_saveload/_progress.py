"""Show how far a save or a load is, once it has taken a second."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from expcore import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PATIENCE_S = 1.0


@contextmanager
def late_progress(label: str, total: int) -> Generator[Callable[[int], None]]:
    """Give ``advance(n)``, which shows a bar where the block takes longer than a second.

    Args:
        label: What is going on.
        total: How many bytes there are.
    """
    start, waiting = time.monotonic(), 0
    bar: Callable[[int], object] | None = None
    with ExitStack() as stack:

        def advance(count: int) -> None:
            nonlocal bar, waiting
            waiting += count
            if bar is None:
                if time.monotonic() - start < PATIENCE_S:
                    return
                bar = stack.enter_context(progress_bar(label, total))
            bar(waiting)
            waiting = 0

        yield advance
