"""Do one thing to many items by several threads, or by one where Python gives no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
U = TypeVar("U")


def each(function: Callable[[T], U], items: Sequence[T], threads: int) -> Iterable[U]:
    """Apply a function to items.

    Args:
        function: May be called again with an item that it was called with.
        items: What to apply it to.
        threads: How many, at most; none is begun for a single item.

    Returns:
        What the function returned, in the order of the items.
    """
    if threads < 2 or len(items) < 2:  # noqa: PLR2004
        yield from map(function, items)
        return
    try:
        from concurrent.futures import ThreadPoolExecutor  # imports logging

        pool = ThreadPoolExecutor(threads, "ckpt")
    except RuntimeError:  # Python exits, and was never asked for threads before
        yield from map(function, items)
        return
    with pool:
        try:
            results = pool.map(function, items)
        except RuntimeError:  # it exits, or the system has no more threads
            pool.shutdown(cancel_futures=True)
            results = map(function, items)
        yield from results
