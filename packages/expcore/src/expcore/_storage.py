"""The :class:`Storage` protocol: bytes under keys, in a folder, a bucket or memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from expcore._atomic import open_atomic
from expcore._data import receive
from expcore._download import LARGE_BYTES, download_parts
from expcore.errors import KeyNotFound

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from expcore._data import Data


@dataclass(frozen=True, slots=True)
class Stat:
    """What a storage knows about one key."""

    key: str
    size: int
    """Bytes."""
    mtime: float
    """When the value was written, in seconds since 1970 (UTC)."""
    digest: str | None = None
    """``algorithm:hex`` of the contents, where the storage knows it without reading them."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What several keys have in common, up to and including a delimiter."""

    key: str


@runtime_checkable
class Storage(Protocol):
    """Bytes under slash-separated keys.

    A write is atomic: a reader sees the old value or the new one, never a part. A value that
    was written is listed and read from then on. Every key is checked before anything is
    touched (:class:`~expcore.InvalidKey`), also the keys that a remote lists.

    A backend inherits from this class and defines ``url``, ``open_read``, ``write``,
    ``write_new``, ``stat``, ``list`` and ``delete``; the others have definitions here.
    ``expcore.testing.StorageContract`` tests the result.
    """

    url: str
    """Opens the same storage again by :func:`~expcore.open_storage`; holds no credentials."""

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
        """Open a value, or the bytes from ``start`` up to ``stop``, for reading.

        A range past the end is cut to what there is, as in slices of ``bytes``.

        Raises:
            KeyNotFound: Nothing is stored under the key.
            ValueError: ``start`` or ``stop`` is negative.
        """
        ...

    def write(self, key: str, data: Data) -> Stat:
        """Store bytes under a key, in place of what was there."""
        ...

    def write_new(self, key: str, data: Data) -> Stat:
        """Store bytes under a key that is free: of many callers exactly one succeeds.

        Raises:
            KeyExists: The key is taken.
        """
        ...

    def stat(self, key: str) -> Stat:
        """Return size, time and, where known, digest of a value.

        Raises:
            KeyNotFound: Nothing is stored under the key.
        """
        ...

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Iterator[Stat | Prefix]:
        """Yield what is stored under keys that start with ``prefix``, sorted by key.

        Args:
            prefix: Any start of a key; it need not end with a slash.
            delimiter: With ``"/"``, keys that go on after a slash behind the prefix are not
                yielded one by one but as one :class:`Prefix`, as a folder would be.

        Raises:
            InvalidKey: The storage holds a name that cannot be a key; all others were yielded.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove a value; if there is none, do nothing."""
        ...

    def prune(self, prefix: str = "") -> None:  # noqa: ARG002 -- for those that keep versions
        """Remove what newer values have replaced, where the storage keeps that; no value changes.

        Args:
            prefix: Of the keys to look at.
        """
        return None

    def discard_uploads(self, prefix: str = "") -> None:  # noqa: ARG002 -- for those with parts
        """Remove what uploads have left that were never finished, where the storage keeps that.

        An upload that still goes on fails.

        Args:
            prefix: Of the keys they were to have.
        """
        return None

    def read(self, key: str) -> bytes:
        """Return a value.

        Raises:
            KeyNotFound: Nothing is stored under the key.
        """
        with self.open_read(key) as file:
            return file.read()

    def exists(self, key: str) -> bool:
        """Say whether a value is stored under the key."""
        try:
            self.stat(key)
        except KeyNotFound:
            return False
        return True

    def upload(
        self,
        path: str | os.PathLike[str],
        key: str,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Stat:
        """Store a file's contents under a key.

        Args:
            path: The file.
            key: Where to.
            progress: Called with the number of bytes sent since its last call.
        """
        stat = self.write(key, Path(path))
        if progress is not None:
            progress(stat.size)
        return stat

    def download(
        self,
        key: str,
        path: str | os.PathLike[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Write a value to a file, which is there as a whole or not at all.

        A large value whose digest is known comes in parts; after a failure, or if the process
        was killed, the next download to the same path fetches what is missing.

        Args:
            key: What to fetch.
            path: Where to.
            progress: Called with the number of bytes that came since its last call.

        Raises:
            KeyNotFound: Nothing is stored under the key.
            IntegrityError: What arrived has another size or digest than the storage said.
        """
        stat = self.stat(key)
        if stat.digest is not None and stat.size >= LARGE_BYTES:
            download_parts(self, stat, path, progress)
            return
        with self.open_read(key) as source, open_atomic(path) as target:
            receive(source, target, stat, self.url, progress)


def group(stats: Iterator[Stat], prefix: str, delimiter: str | None) -> Iterator[Stat | Prefix]:
    """Put what is behind the delimiter into one :class:`Prefix` each; `stats` are sorted."""
    last = None
    for stat in stats:
        end = stat.key.find(delimiter, len(prefix)) if delimiter else -1
        if delimiter is None or end < 0:
            yield stat
        elif (name := stat.key[: end + len(delimiter)]) != last:
            last = name
            yield Prefix(name)


def check_range(start: int, stop: int | None) -> None:
    """Refuse ranges that count from the end.

    Raises:
        ValueError: A bound is negative.
    """
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"a range of bytes starts at 0, not at {start}:{stop}")
