"""Values as files of any file system that fsspec knows (extra ``fsspec``).

Object stores (S3, GCS, Azure, ...) put a value in place at once; elsewhere (SFTP, SMB, ...) it
gets a temporary name and is moved. Claims are atomic on S3 and GCS, elsewhere as good as may be.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import io
import secrets
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from expcore._atomic import write_file
from expcore._data import read_all
from expcore._fsspec_errors import Body, translated
from expcore._fsspec_put import move, put
from expcore._keys import TEMPORARY, check_key, check_prefix, refused_at_the_end
from expcore._s3_uploads import discard_uploads
from expcore._storage import Prefix, Stat, Storage, check_range
from expcore._temporary import beside, target_of
from expcore._urls import without_credentials
from expcore.errors import (
    InvalidKey,
    KeyExists,
    KeyNotFound,
    MissingExtraError,
    UnknownSchemeError,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterator

    from expcore._data import Data

PUTS_AT_ONCE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"}
_OPTIONS_GO_ON = {"sftp", "ssh"}  # to paramiko, which refuses what it does not know


class FsspecStorage(Storage):
    """A folder of a file system.

    Args:
        url: What fsspec understands: ``s3://bucket/prefix``, ``sftp://host/folder``, ...
        options: Passed to the file system's class: credentials, endpoints. They are not shown.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.url = without_credentials(url).rstrip("/")
        self._is_secret = self.url != url.rstrip("/")
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtraError(f"the storage {self.url}", "fsspec") from None
        try:
            # A listing that is remembered would hide what other processes write.
            if url.partition(":")[0].lower() not in _OPTIONS_GO_ON:
                options = {"use_listings_cache": False, **options}
            with self._translated("connect"):
                self._fs, root = url_to_fs(url, **options)
        except ImportError as error:  # s3fs, gcsfs, paramiko, ...
            raise MissingExtraError(f"the storage {self.url} ({error})", "fsspec") from None
        except ValueError as error:
            cause = None if self._is_secret else error
            raise UnknownSchemeError(self.url, ("those of fsspec",)) from cause
        self._root: str = root.rstrip("/")
        known: str | tuple[str, ...] = self._fs.protocol
        protocols = {known} if isinstance(known, str) else {*known}
        self._at_once = bool(protocols & PUTS_AT_ONCE)
        self._is_local = "file" in protocols
        self._is_s3 = "s3" in protocols

    def __repr__(self) -> str:
        return f"FsspecStorage({self.url!r})"

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
        """Open a value, or a range of its bytes; see :class:`Storage`."""
        check_range(start, stop)
        path = self._path(key)
        reading = partial(self._translated, f"read {key!r}", key)
        with reading():
            info = self._info(path, key)
            if start == 0 and stop is None:
                return cast("BinaryIO", Body(self._fs.open(path, "rb"), reading))
            end = info["size"] if stop is None else min(stop, info["size"])
            if start >= end:
                return io.BytesIO()
            return io.BytesIO(self._fs.cat_file(path, start=start, end=end))

    def write(self, key: str, data: Data) -> Stat:
        """Store bytes; see :class:`Storage`."""
        return self._write(key, data)

    def upload(
        self,
        path: str | os.PathLike[str],
        key: str,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Stat:
        """Store a file's contents; see :class:`Storage`."""
        return self._write(key, Path(path), progress)

    def _write(
        self, key: str, data: Data, progress: Callable[[int], object] | None = None
    ) -> Stat:
        path = self._path(key)
        if isinstance(data, Path):
            data.stat()  # a file that is missing here is no missing key
        with self._translated(f"write {key!r}"):
            target = path
            if not self._at_once:
                target = str(beside(PurePosixPath(path), secrets.token_hex(8)))
            try:
                self._make_room(path, key)
                put(self._fs, target, data, progress)
                if target != path:
                    move(self._fs, target, path)
            except BaseException:
                if target != path and self._fs.exists(target):
                    self._fs.rm_file(target)
                raise
        return self.stat(key)

    def write_new(self, key: str, data: Data) -> Stat:
        """Store bytes under a free key; see :class:`Storage`."""
        path = self._path(key)
        value = read_all(data)
        with self._translated(f"claim {key!r}"):
            try:
                self._make_room(path, key)
                if self._is_local:  # there fsspec only looks before it writes
                    write_file(path, value, overwrite=False)
                else:
                    self._fs.pipe_file(path, value, mode="create")
            except FileExistsError:
                raise KeyExists(key, self.url) from None
        return self.stat(key)

    def stat(self, key: str) -> Stat:
        """Return size and time; see :class:`Storage`."""
        path = self._path(key)
        with self._translated(f"stat {key!r}", key):
            return self._stat(key, self._info(path, key))

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Iterator[Stat | Prefix]:
        """Yield what starts with ``prefix``, sorted; see :class:`Storage`."""
        check_prefix(prefix)
        if delimiter not in {None, "/"}:
            raise ValueError(f"a folder is delimited by '/', not by {delimiter!r}")
        return self._list(prefix, flat=delimiter is None)

    def delete(self, key: str) -> None:
        """Remove a value; see :class:`Storage`."""
        path = self._path(key)
        with self._translated(f"delete {key!r}", key):
            try:
                self._fs.rm_file(path)
            except (FileNotFoundError, NotADirectoryError):
                return
            except OSError:  # of a folder; which error it is depends on the file system
                if not self._fs.isdir(path):
                    raise

    def discard_uploads(self, prefix: str = "") -> None:
        """Remove parts that S3 keeps, and temporary names elsewhere; see :class:`Storage`."""
        start = f"{self._root}/{check_prefix(prefix)}"
        with self._translated(f"discard uploads to {prefix!r}"):
            if self._is_s3:
                discard_uploads(self._fs, start)
            elif not self._at_once:
                for name in self._fs.find(start.rpartition("/")[0]):
                    if (meant := target_of(name)) and meant.startswith(start):
                        self._fs.rm_file(name)

    @contextmanager
    def _translated(self, action: str, key: str | None = None) -> Generator[None]:
        with translated(self.url, action, key, is_secret=self._is_secret):
            yield

    def _make_room(self, path: str, key: str) -> None:
        """Make the folders that a value lies in, where a file system has folders."""
        if self._at_once:
            return
        try:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            is_taken = self._is_local and self._fs.isdir(path)  # it would be moved into it
        except (FileExistsError, NotADirectoryError):
            is_taken = True
        if is_taken:
            raise InvalidKey(key, "a part of it is a value, or it is part of others")

    def _path(self, key: str) -> str:
        return f"{self._root}/{check_key(key)}"

    def _info(self, path: str, key: str) -> Any:
        try:
            info = self._fs.info(path)
        except NotADirectoryError:
            raise KeyNotFound(key, self.url) from None
        if info["type"] == "directory":
            raise KeyNotFound(key, self.url)
        return info

    def _stat(self, key: str, info: Any) -> Stat:
        times = ("LastModified", "mtime", "last_modified", "updated", "modified", "created")
        time = next((info[name] for name in times if info.get(name) is not None), 0.0)
        if isinstance(time, str):
            time = datetime.fromisoformat(time)
        if isinstance(time, datetime):
            time = time.timestamp()
        return Stat(key, int(info["size"]), float(time))

    def _list(self, prefix: str, *, flat: bool) -> Iterator[Stat | Prefix]:
        folder = f"{self._root}/{prefix.rpartition('/')[0]}".rstrip("/")
        with self._translated(f"list {prefix!r}"):
            self._fs.invalidate_cache()
            try:
                if flat:
                    # Where the "folder" is a file, some say nothing of it.
                    infos = tuple(filter(None, self._fs.find(folder, detail=True).values()))
                else:
                    infos = tuple(self._fs.ls(folder, detail=True))
            except (FileNotFoundError, NotADirectoryError):
                infos = ()
        found: dict[str, Any] = {}
        for info in infos:
            name = self._fs._strip_protocol(info["name"])
            key = name[len(self._root) + 1 :]
            if name == folder or not key or TEMPORARY.fullmatch(key.rpartition("/")[2]):
                continue
            if info["type"] == "directory":
                key += "/"
            elif info["name"].endswith("/"):  # an object that stands for a folder
                continue
            if key.startswith(prefix):
                found[key] = info
        with refused_at_the_end() as is_key:
            for key in sorted(found):
                if is_key(key.removesuffix("/")):
                    yield Prefix(key) if key.endswith("/") else self._stat(key, found[key])
