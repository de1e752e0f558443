"""Values as files in a Backblaze B2 bucket, by b2sdk (extra ``b2``).

A write makes a new version of the file; the bucket's lifecycle rules say when old ones go.
Deleting removes every version, the newest last, so that no old value shows up again.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportPrivateUsage=false

from __future__ import annotations

import io
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit

from expcore._atomic import open_atomic
from expcore._b2_claims import CLAIMS, claimed
from expcore._b2_connection import Body, connect, known_digest, superseded
from expcore._b2_errors import translated
from expcore._b2_list import listed
from expcore._b2_upload import of_known_length, send
from expcore._credentials import B2Key
from expcore._data import receive
from expcore._download import LARGE_BYTES, download_parts
from expcore._keys import check_key, check_parts, check_prefix, refused_at_the_end
from expcore._storage import Prefix, Stat, Storage, check_range
from expcore.errors import InvalidKey, KeyExists, KeyNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from expcore._data import Data

PAGE_KEYS = 1000
MAX_PART_BYTES = 250


class B2Storage(Storage):
    """A prefix in a bucket.

    Args:
        bucket: The bucket's name.
        prefix: Keys are file names below this one.
        key_id: The application key's id; from the environment or a file where it is None.
        key: The application key itself.
        realm: ``"production"``, or the URL of a service that speaks the same language;
            from ``B2_REALM`` where it is None.

    Nothing is sent before the first use. Pickled, it holds no key but one that was passed.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        key_id: str | None = None,
        key: str | None = None,
        realm: str | None = None,
    ) -> None:
        prefix = prefix.strip("/")
        self.prefix = f"{check_key(prefix)}/" if prefix else ""
        self.bucket = bucket
        self.url = f"b2://{bucket}/{quote(prefix)}".rstrip("/")
        self._key = B2Key.find(self.url, key_id, key)
        self._was_told = bool(key_id or key)
        self._realm = realm or os.environ.get("B2_REALM", "production")
        self._lock = Lock()
        self._opened: Any = None

    def __repr__(self) -> str:
        return f"B2Storage({self.url!r})"

    def __getstate__(self) -> dict[str, object]:
        # A key that was found is found again, and stands in no pickle.
        kept = self._key if self._was_told else None
        return {**vars(self), "_lock": None, "_opened": None, "_key": kept}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _lock=Lock())
        if not self._was_told:
            self._key = B2Key.find(self.url)

    def read(self, key: str) -> bytes:
        """Return a value, after its digest was checked; see :class:`Storage`."""
        with self.open_read(key) as source, io.BytesIO() as target:
            receive(source, target, self._stat(key, cast("Body", source).found), self.url)
            return target.getvalue()

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
        """Open a value, or a range of its bytes; see :class:`Storage`."""
        check_range(start, stop)
        name = self._name(key)
        span = None
        if start or stop is not None:
            size = self.stat(key).size
            stop = size if stop is None else min(stop, size)
            if start >= stop:
                return io.BytesIO()
            span = (start, stop - 1)
        with self._translated(f"read {key!r}", key):
            download = self._connect().download_file_by_name(name, range_=span)
        return cast("BinaryIO", Body(download, self.url, key))

    def write(self, key: str, data: Data) -> Stat:
        """Store bytes; see :class:`Storage`."""
        return self._upload(key, data)

    def write_new(self, key: str, data: Data) -> Stat:
        """Store bytes under a free key; see :class:`Storage`."""
        if self.exists(key):
            raise KeyExists(key, self.url)
        with self._translated(f"claim {key!r}"):
            bucket = self._connect()
        with claimed(bucket, self.prefix, key, self.url):
            if self.exists(key):
                raise KeyExists(key, self.url)
            return self.write(key, data)

    def stat(self, key: str) -> Stat:
        """Return size, time and digest; see :class:`Storage`."""
        with self._translated(f"stat {key!r}", key):
            return self._stat(key, self._connect().get_file_info_by_name(self._name(key)))

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Iterator[Stat | Prefix]:
        """Yield what starts with ``prefix``, one call for each 1,000 keys."""
        check_prefix(prefix)
        return self._list(prefix, delimiter)

    def delete(self, key: str) -> None:
        """Remove every version of a value; see :class:`Storage`."""
        self._delete_versions(self._name(key), f"delete {key!r}")

    def prune(self, prefix: str = "") -> None:
        """Delete all versions but the newest of each value; see :class:`Storage`."""
        action = f"prune {prefix!r}"
        with self._translated(action):
            bucket = self._connect()
            old = list(superseded(bucket, self.prefix + check_prefix(prefix)))
        for name, id_ in old:
            if not name.startswith(self.prefix + CLAIMS):
                self._delete_version(id_, name, action)

    def discard_uploads(self, prefix: str = "") -> None:
        """Cancel large files that were never finished; see :class:`Storage`."""
        action = f"discard uploads to {prefix!r}"
        with self._translated(action):
            bucket = self._connect()
            begun = list(
                bucket.list_unfinished_large_files(prefix=self.prefix + check_prefix(prefix))
            )
        for file in begun:
            # To delete the one version of such a file is to cancel it.
            self._delete_version(file.file_id, file.file_name, action)

    def upload(
        self,
        path: str | os.PathLike[str],
        key: str,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Stat:
        """Store a file's contents; see :class:`Storage`."""
        return self._upload(key, Path(path), progress)

    def download(
        self,
        key: str,
        path: str | os.PathLike[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Write a value to a file; see :class:`Storage`. One request where it is small."""
        with self.open_read(key) as source:
            stat = self._stat(key, cast("Body", source).found)
            if stat.digest is None or stat.size < LARGE_BYTES:
                with open_atomic(path) as file:
                    receive(source, file, stat, self.url, progress)
                return
        download_parts(self, stat, path, progress)

    def _name(self, key: str) -> str:
        name = self.prefix + check_key(key)
        if key.startswith(CLAIMS):
            raise InvalidKey(key, f"names below {CLAIMS!r} are for claims")
        # The two together may be too long.
        return check_parts(check_key(name), MAX_PART_BYTES)

    def _connect(self) -> Any:
        """Return the bucket; authorize when it is first used."""
        with self._lock:
            if self._opened is None:
                self._opened = connect(self.url, self.bucket, self._key, self._realm)
            return self._opened

    @contextmanager
    def _translated(self, action: str, key: str | None = None) -> Generator[None]:
        with translated(self.url, action, key):
            yield

    def _stat(self, key: str, found: Any) -> Stat:
        """Make a stat of what b2sdk knows: a written file's version, or a HEAD's reply."""
        size = found.size if getattr(found, "size", None) is not None else found.content_length
        digest = known_digest(found.content_sha1, found.file_info or {})
        return Stat(key, size, found.upload_timestamp / 1000, digest)

    def _upload(
        self, key: str, data: Data, progress: Callable[[int], object] | None = None
    ) -> Stat:
        name = self._name(key)
        with of_known_length(data) as value, self._translated(f"write {key!r}"):
            return self._stat(key, send(self._connect(), name, value, progress))

    def _list(self, prefix: str, delimiter: str | None) -> Iterator[Stat | Prefix]:
        def page_from(start: str) -> Any:
            with self._translated(f"list {prefix!r}"):
                bucket = self._connect()
                return bucket.api.session.list_file_names(
                    bucket.id_, start, PAGE_KEYS, self.prefix + prefix
                )

        with refused_at_the_end() as is_key:
            yield from listed(page_from, self.prefix, prefix, delimiter, is_key)

    def _delete_versions(self, name: str, action: str) -> None:
        with self._translated(action):
            versions = list(self._connect().list_file_versions(name))
        for version in reversed(versions):  # the newest last, so that no old value shows up again
            self._delete_version(version.id_, name, action)

    def _delete_version(self, id_: str, name: str, action: str) -> None:
        with self._translated(action), suppress(KeyNotFound), translated(self.url, action, name):
            self._connect().delete_file_version(id_, name)


def open_b2(url: str) -> Storage:
    """Open ``b2://bucket/prefix``."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("a URL must not hold keys; see expcore._credentials for where they go")
    if parts.query or parts.fragment:
        raise ValueError("a URL ends with the prefix; write %23 for '#'")
    return B2Storage(parts.netloc, unquote(parts.path))
