"""Values in this process's memory, for tests and for what need not last."""

from __future__ import annotations

import io
import time
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from expcore._data import read_all
from expcore._digest import digest_bytes
from expcore._keys import check_key, check_prefix
from expcore._storage import Prefix, Stat, Storage, check_range, group
from expcore.errors import KeyExists, KeyNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from expcore._data import Data


class MemoryStorage(Storage):
    """Bytes in a dictionary; each object holds its own.

    >>> storage = MemoryStorage()
    >>> storage.write("a/b", b"123").size
    3
    >>> storage.read("a/b")
    b'123'
    """

    def __init__(self) -> None:
        self.url = "memory:"
        self._values: dict[str, tuple[bytes, Stat]] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<MemoryStorage: {len(self._values)} keys>"

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
        """Open a value, or a range of its bytes; see :class:`Storage`."""
        check_range(start, stop)
        return io.BytesIO(self._get(key)[0][start:stop])

    def write(self, key: str, data: Data) -> Stat:
        """Store bytes; see :class:`Storage`."""
        return self._put(key, data, overwrite=True)

    def write_new(self, key: str, data: Data) -> Stat:
        """Store bytes under a free key; see :class:`Storage`."""
        return self._put(key, data, overwrite=False)

    def stat(self, key: str) -> Stat:
        """Return size, time and digest; see :class:`Storage`."""
        return self._get(key)[1]

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Iterator[Stat | Prefix]:
        """Yield what starts with ``prefix``, sorted; see :class:`Storage`."""
        check_prefix(prefix)
        with self._lock:
            stats = [stat for _, stat in self._values.values() if stat.key.startswith(prefix)]
        stats.sort(key=lambda stat: stat.key)
        return group(iter(stats), prefix, delimiter)

    def delete(self, key: str) -> None:
        """Remove a value; see :class:`Storage`."""
        check_key(key)
        with self._lock:
            self._values.pop(key, None)

    def _get(self, key: str) -> tuple[bytes, Stat]:
        check_key(key)
        try:
            return self._values[key]
        except KeyError:
            raise KeyNotFound(key, self.url) from None

    def _put(self, key: str, data: Data, *, overwrite: bool) -> Stat:
        check_key(key)
        value = read_all(data)
        stat = Stat(key, len(value), time.time(), digest_bytes(value, algorithm="sha256"))
        with self._lock:
            if not overwrite and key in self._values:
                raise KeyExists(key, self.url)
            self._values[key] = value, stat
        return stat
