"""Try again what may work a second time: one place, above every backend.

Backends do one attempt and say by their errors what happened. :class:`StorageUnavailable` and
:class:`IntegrityError` are worth another try, with growing and random waits, or the wait that
the service asked for; all else is final.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import tenacity

from expcore._keys import check_prefix
from expcore._resume import Resuming, ValueChanged, replayable
from expcore._storage import Prefix, Stat, Storage
from expcore.errors import IntegrityError, StorageUnavailable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from expcore._data import Data

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, how fast and how long to try again."""

    attempts: int = 8
    """At most this many attempts; at least 1."""
    first_wait_s: float = 0.25
    """The longest wait before the second attempt; each further one may be twice as long."""
    longest_wait_s: float = 20.0
    """No wait is longer, unless the service asks for it."""
    deadline_s: float = 300.0
    """No attempt starts later than this after the first one started."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_wait_s, self.longest_wait_s, self.deadline_s) < 0:
            raise ValueError(f"nothing can be tried by {self}; give positive numbers")

    def call(self, function: Callable[[], T]) -> T:
        """Return what the function returns, after as many attempts as it takes.

        Raises:
            ExpcoreError: What the last attempt raised.
        """
        return self._retrying()(function)

    def _retrying(self) -> tenacity.Retrying:
        backoff = tenacity.wait_random_exponential(
            multiplier=self.first_wait_s, max=self.longest_wait_s
        )

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            asked = getattr(error, "retry_after_s", None)
            # The service's wish is a minimum; the random part spreads those who heard it.
            return backoff(state) + (asked or 0.0)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            # Also not when the wait before it would end after the deadline.
            stop=tenacity.stop_after_attempt(self.attempts)
            | tenacity.stop_before_delay(self.deadline_s),
            wait=wait,
            reraise=True,
        )


def _may_pass(error: BaseException) -> bool:
    worth_it = isinstance(error, (StorageUnavailable, IntegrityError))
    return worth_it and not isinstance(error, ValueChanged)


class RetryingStorage(Storage):
    """A storage whose operations are tried again when that may help.

    A claim whose reply was lost counts as lost: of many callers never two succeed.
    """

    def __init__(self, inner: Storage, retry: Retry | None = None) -> None:
        self.inner = inner
        self.retry = Retry() if retry is None else retry
        self.url = inner.url

    def __repr__(self) -> str:
        return f"RetryingStorage({self.inner!r})"

    def read(self, key: str) -> bytes:
        """Return a value; see :class:`Storage`."""
        return self.retry.call(lambda: self.inner.read(key))

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
        """Open a value; if the connection breaks, go on where it broke."""
        raw = Resuming(self.inner, self.retry, key, start, stop)
        return io.BufferedReader(raw, 1 << 17)

    def write(self, key: str, data: Data) -> Stat:
        """Store bytes; see :class:`Storage`."""
        with replayable(data) as again:
            return self.retry.call(lambda: self.inner.write(key, again()))

    def write_new(self, key: str, data: Data) -> Stat:
        """Store bytes under a free key; see :class:`Storage`."""
        with replayable(data) as again:
            return self.retry.call(lambda: self.inner.write_new(key, again()))

    def stat(self, key: str) -> Stat:
        """Return size, time and digest; see :class:`Storage`."""
        return self.retry.call(lambda: self.inner.stat(key))

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Iterator[Stat | Prefix]:
        """Yield what starts with ``prefix``; after a failure, from where it failed."""
        check_prefix(prefix)
        seen = ""
        found: Iterator[Stat | Prefix] | None = None

        def next_item() -> Stat | Prefix | None:
            nonlocal found
            try:
                if found is None:
                    found = self.inner.list(prefix, delimiter=delimiter)
                return next((item for item in found if item.key > seen), None)
            except Exception:
                found = None  # an iterator that has failed would say that it is at its end
                raise

        # A generator function would check the prefix only when it is first asked.
        def items() -> Iterator[Stat | Prefix]:
            nonlocal seen
            while (item := self.retry.call(next_item)) is not None:
                yield item
                seen = item.key

        return items()

    def delete(self, key: str) -> None:
        """Remove a value; see :class:`Storage`."""
        self.retry.call(lambda: self.inner.delete(key))

    def prune(self, prefix: str = "") -> None:
        """Remove what newer values have replaced; see :class:`Storage`."""
        self.retry.call(lambda: self.inner.prune(prefix))

    def discard_uploads(self, prefix: str = "") -> None:
        """Remove what unfinished uploads have left; see :class:`Storage`."""
        self.retry.call(lambda: self.inner.discard_uploads(prefix))

    def upload(
        self,
        path: str | os.PathLike[str],
        key: str,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Stat:
        """Store a file's contents under a key; see :class:`Storage`."""
        told = _Furthest(progress)
        return self.retry.call(lambda: self.inner.upload(path, key, progress=told.attempt()))

    def download(
        self,
        key: str,
        path: str | os.PathLike[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Write a value to a file; see :class:`Storage`."""
        told = _Furthest(progress)

        def attempt() -> None:
            if type(self.inner).download is Storage.download:
                # What has arrived stays: the stream is resumed, not begun again.
                try:
                    Storage.download(self, key, path, progress=told.attempt())
                except ValueChanged as error:  # the next attempt begins at the start
                    raise IntegrityError(error.url, error.action, error.detail) from None
            else:
                self.inner.download(key, path, progress=told.attempt())

        self.retry.call(attempt)


class _Furthest:
    """Tells how far the best of several attempts got."""

    def __init__(self, progress: Callable[[int], object] | None) -> None:
        self._progress = progress
        self._furthest = 0
        self._lock = Lock()

    def attempt(self) -> Callable[[int], object] | None:
        """Return what one attempt, from the start on, is to call."""
        if self._progress is None:
            return None
        place = 0

        def advance(count: int) -> None:
            nonlocal place
            with self._lock:
                place += count
                further, self._furthest = place - self._furthest, max(place, self._furthest)
            if further > 0 and self._progress is not None:
                self._progress(further)

        return advance
