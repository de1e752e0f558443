"""Do the same with many things, a few at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def for_each(function: Callable[[T], object], items: Iterable[T], threads: int, name: str) -> None:
    """Call a function with each item; after an error, with none that was not begun.

    Args:
        function: Called from several threads.
        items: What it is called with.
        threads: How many calls go on at once.
        name: What the threads are called.
    """
    from concurrent.futures import ThreadPoolExecutor  # imports logging

    with ThreadPoolExecutor(threads, name) as pool:
        try:
            list(pool.map(function, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
