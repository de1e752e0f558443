"""A progress bar for what turns out to take long."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from expcore import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PATIENCE_S = 1.0
"""Whoever waits longer is shown a bar."""


@contextmanager
def slow_progress(label: str, total: int) -> Generator[Callable[[int], object]]:
    """Show a bar while the block runs, once that has taken more than a second.

    Args:
        label: What is going on.
        total: How many bytes there are.

    Yields:
        ``advance(n)``: call it with the bytes done since the last call.
    """
    begin, done = time.monotonic(), 0
    bar: Callable[[int], object] | None = None

    def advance(count: int) -> None:
        nonlocal bar, done
        done += count
        if bar is not None:
            bar(count)
        elif time.monotonic() - begin > PATIENCE_S:
            bar = stack.enter_context(progress_bar(label, total))
            bar(done)

    with ExitStack() as stack:
        yield advance
