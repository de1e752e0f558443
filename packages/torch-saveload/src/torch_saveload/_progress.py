"""Show how far a save or a load is, once it has taken a second."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from expcore import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._bytes import Buffer
    from ._direct import Sink

PATIENCE_S = 1.0
_PIECE_BYTES = 8 << 20


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


class CountingSink:
    """A sink that says how many bytes went through."""

    def __init__(self, sink: Sink, advance: Callable[[int], None]) -> None:
        self._sink, self._advance = sink, advance

    def write(self, data: Buffer, /) -> None:
        """Append the bytes."""
        view = memoryview(data)
        for start in range(0, len(view), _PIECE_BYTES):
            piece = view[start : start + _PIECE_BYTES]
            self._sink.write(piece)
            self._advance(len(piece))
