"""Remember the digests of files that have not changed.

One SQLite file in the user's cache folder, keyed by device, inode, size, time of change and
algorithm. What was changed in the last seconds is not remembered: it could change once more
without its time showing it. The cache is a help only; where it fails, files are read.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from expcore._digest import digest_file

if TYPE_CHECKING:
    import sqlite3

SETTLED_NS = 2_000_000_000
_TABLE = (
    "create table if not exists digests (device, inode, size, mtime_ns, ctime_ns, algorithm,"
    " digest, primary key (device, inode, size, mtime_ns, ctime_ns, algorithm)) without rowid"
)


def cache_folder() -> Path:
    """Return where caches of this package belong on this system."""
    if told := os.environ.get("XDG_CACHE_HOME"):
        base = Path(told)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "expcore"


class DigestCache:
    """Digests of files, computed once for each state of a file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = Lock()
        self._base: sqlite3.Connection | None = None

    def digest(self, path: Path, algorithm: str) -> str:
        """Return a file's digest, from memory where the file is the one remembered.

        Raises:
            OSError: The file cannot be read.
        """
        before = path.stat()
        key = (*identity(before), algorithm)
        if (known := self._get(key)) is not None:
            return known
        digest = digest_file(path, algorithm=algorithm)  # type: ignore[arg-type]
        settled = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > SETTLED_NS
        if settled and identity(path.stat()) == identity(before):
            self._put((*key, digest))
        return digest

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._base is not None:
                self._base.close()
                self._base = None

    def _get(self, key: tuple[object, ...]) -> str | None:
        where = "device=? and inode=? and size=? and mtime_ns=? and ctime_ns=? and algorithm=?"
        import sqlite3  # a tenth of the package's import time

        with self._lock, suppress(sqlite3.Error, OSError):
            row = self._open().execute(f"select digest from digests where {where}", key).fetchone()  # noqa: S608
            return None if row is None else str(row[0])
        return None

    def _put(self, row: tuple[object, ...]) -> None:
        import sqlite3

        with self._lock, suppress(sqlite3.Error, OSError):
            self._open().execute("insert or replace into digests values (?,?,?,?,?,?,?)", row)

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if self._base is None:
            path = cache_folder() / "digests.sqlite" if self._path is None else self._path
            path.parent.mkdir(parents=True, exist_ok=True)
            # Each statement commits by itself; the lock keeps threads apart.
            self._base = sqlite3.connect(
                path, timeout=5.0, isolation_level=None, check_same_thread=False
            )
            self._base.execute("pragma synchronous=off")
            self._base.execute(_TABLE)
        return self._base


def identity(stat: os.stat_result) -> tuple[int, int, int, int, int]:
    """Return what changes when a file does."""
    # SQLite's integers have 64 bits with a sign; an inode may use all of them.
    inode = stat.st_ino - (1 << 64) if stat.st_ino >= 1 << 63 else stat.st_ino
    return stat.st_dev & (1 << 62) - 1, inode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
