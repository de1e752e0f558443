"""Do one thing to many items by several threads, or by one where Python gives no more."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")
U = TypeVar("U")


def each(function: Callable[[T], U], items: Sequence[T], threads: int) -> Iterable[U]:
    """Apply a function to items.

    Args:
        function: Called once with each item, by any thread.
        items: What to apply it to.
        threads: How many, at most. The caller's is one of them: it does not wait for the others
            to begin, which takes longer than reading a megabyte.

    Returns:
        What the function returned, in the order of the items.
    """
    work = _Work(function, items)
    try:
        work.hire(min(threads, len(items)) - 1)
        yield from work.results()
    finally:
        work.stop()


class _Work(Generic[T, U]):
    """Items that threads take one at a time."""

    def __init__(self, function: Callable[[T], U], items: Sequence[T]) -> None:
        self._function, self._items = function, items
        self._left = iter(range(len(items)))
        self._taking = threading.Lock()
        self._done: dict[int, U] = {}
        self._error: BaseException | None = None
        self._helpers: list[threading.Thread] = []

    def hire(self, count: int) -> None:
        """Begin threads, as far as there may be more."""
        if sys.is_finalizing():  # a thread that begins now never runs
            return
        for i in range(count):
            helper = threading.Thread(target=self._help, name=f"ckpt_{i}", daemon=True)
            self._helpers.append(helper)
            try:
                helper.start()
            except RuntimeError:  # Python exits, or the system has no more threads
                self._helpers.pop()
                return

    def results(self) -> Iterator[U]:
        """Do what the others leave; give what was done in the order of the items."""
        given = 0
        while self._do_one():
            while given in self._done:
                yield self._done.pop(given)
                given += 1
        for helper in self._helpers:
            helper.join()
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # it leads here, and so would keep itself, and what was read
        for i in range(given, len(self._items)):
            yield self._done.pop(i)

    def stop(self) -> None:
        """Have no more done, and wait for what is being done."""
        with self._taking:
            self._left = iter(())
        for helper in self._helpers:
            if helper.ident is not None:  # it was begun before something interrupted
                helper.join()

    def _do_one(self) -> bool:
        with self._taking:
            i = next(self._left, None)
        if i is None:
            return False
        self._done[i] = self._function(self._items[i])
        return True

    def _help(self) -> None:
        try:
            while self._do_one():
                pass
        except BaseException as error:
            self._error = error
            with self._taking:
                self._left = iter(())
