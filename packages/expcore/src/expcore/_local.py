"""Values as files in a folder: the key is the path."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from unicodedata import is_normalized, normalize

from expcore._folders import make_folders
from expcore._keys import TEMPORARY, check_key, check_parts, check_prefix, refused_at_the_end
from expcore._local_values import open_value, write_value
from expcore._range import Range
from expcore._storage import Prefix, Stat, Storage, check_range
from expcore._temporary import sweep
from expcore.errors import InvalidKey, KeyExists, KeyNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from expcore._data import Data

MAX_PART_BYTES = 255


class LocalStorage(Storage):
    """A folder, made when something is first written to it.

    A key's parts are folder names, so a key cannot be both a value and the start of another.
    Folders that become empty are removed. Symbolic links to files are values; links to folders
    are not listed. What killed writers left in a folder is removed when this object first
    writes there.

    >>> storage = LocalStorage("data_storage")
    >>> storage.write("runs/1/loss.txt", b"0.5").size
    3
    >>> [stat.key for stat in storage.list("runs/")]
    ['runs/1/loss.txt']
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self.url = self.folder.as_uri()
        self._swept: set[Path] = set()

    def __repr__(self) -> str:
        return f"LocalStorage({str(self.folder)!r})"

    def path(self, key: str) -> Path:
        """Return where a key's value is, or would be.

        Raises:
            InvalidKey: The key is none, or a part is too long for a file name.
        """
        return self.folder / check_parts(check_key(key), MAX_PART_BYTES)

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
        """Open a value, or a range of its bytes; see :class:`Storage`."""
        check_range(start, stop)
        path = self.path(key)
        try:
            file = open_value(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyNotFound(key, self.url) from None
        if start == 0 and stop is None:
            return file
        return io.BufferedReader(Range(file, start, stop))

    def write(self, key: str, data: Data) -> Stat:
        """Store bytes; see :class:`Storage`."""
        return self._write(key, data, overwrite=True)

    def write_new(self, key: str, data: Data) -> Stat:
        """Store bytes under a free key; see :class:`Storage`."""
        return self._write(key, data, overwrite=False)

    def upload(
        self,
        path: str | os.PathLike[str],
        key: str,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Stat:
        """Store a file's contents; see :class:`Storage`."""
        return self._write(key, Path(path), overwrite=True, progress=progress)

    def stat(self, key: str) -> Stat:
        """Return size and time; see :class:`Storage`."""
        path = self.path(key)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise KeyNotFound(key, self.url) from None
        if not path.is_file():
            raise KeyNotFound(key, self.url)
        return Stat(key, found.st_size, found.st_mtime)

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Iterator[Stat | Prefix]:
        """Yield what starts with ``prefix``, sorted; see :class:`Storage`."""
        check_prefix(prefix)
        if delimiter not in {None, "/"}:
            raise ValueError(f"a folder is delimited by '/', not by {delimiter!r}")
        return self._list(prefix, grouped=delimiter is not None)

    def delete(self, key: str) -> None:
        """Remove a value and the folders that become empty; see :class:`Storage`."""
        path = self.path(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        except (IsADirectoryError, PermissionError):
            if path.is_dir():  # the start of other keys, not a key
                return
            raise
        for folder in path.parents:
            if folder == self.folder:
                break
            try:
                folder.rmdir()
            except OSError:  # not empty, or just gone
                break

    def discard_uploads(self, prefix: str = "") -> None:
        """Remove what killed writers have left; a live writer's file stays."""
        for folder, _, _ in os.walk(self.folder / check_prefix(prefix).rpartition("/")[0]):
            sweep(folder)

    def _write(
        self,
        key: str,
        data: Data,
        *,
        overwrite: bool,
        progress: Callable[[int], object] | None = None,
    ) -> Stat:
        path = self.path(key)
        for attempt in range(100):
            try:
                make_folders(path.parent)
                self._sweep_once(path.parent)
                write_value(path, data, overwrite=overwrite, progress=progress)
            except FileNotFoundError:
                # Another process removed the folder as empty after we made it.
                if attempt == 99 or path.parent.is_dir():  # noqa: PLR2004
                    raise
                continue
            except (NotADirectoryError, IsADirectoryError) as error:
                if isinstance(data, Path) and data.is_dir():
                    raise
                raise InvalidKey(
                    key, "a part of it is a value, or it is part of others"
                ) from error
            except FileExistsError:
                if overwrite:  # of a device or a pipe
                    raise
                raise KeyExists(key, self.url) from None
            break
        return self.stat(key)

    def _sweep_once(self, folder: Path) -> None:
        if folder not in self._swept:
            self._swept.add(folder)
            sweep(folder)

    def _list(self, prefix: str, *, grouped: bool) -> Iterator[Stat | Prefix]:
        start, _, _ = prefix.rpartition("/")
        with refused_at_the_end() as is_key:
            yield from self._scan(f"{start}/" if start else "", prefix, is_key, grouped=grouped)

    def _scan(
        self, parent: str, prefix: str, is_key: Callable[[str], bool], *, grouped: bool
    ) -> Iterator[Stat | Prefix]:
        """Yield from one folder; `parent` is its key with a slash, or nothing."""
        try:
            with os.scandir(self.folder / parent) as found:
                entries = [entry for entry in found if not TEMPORARY.fullmatch(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return
        names = {
            f"{parent}{_name(entry)}{'/' if entry.is_dir() else ''}": entry for entry in entries
        }
        for name in sorted(names):
            above = name.endswith("/") and prefix.startswith(name)
            if not (above or name.startswith(prefix)):
                continue
            key = name.removesuffix("/")
            if not is_key(key):
                continue
            if not name.endswith("/"):
                try:
                    if not names[name].is_file():  # a link to nowhere, a socket, a pipe
                        continue
                    stat = names[name].stat()
                except FileNotFoundError:  # deleted since
                    continue
                yield Stat(key, stat.st_size, stat.st_mtime)
            elif names[name].is_symlink():
                continue
            elif grouped and len(name) > len(prefix):
                if next(self._scan(name, prefix, is_key, grouped=False), None) is not None:
                    yield Prefix(name)
            else:
                yield from self._scan(name, prefix, is_key, grouped=grouped)


def _name(entry: os.DirEntry[str]) -> str:
    """Return a file's name as it is in keys: some systems list names decomposed."""
    if is_normalized("NFC", entry.name):
        return entry.name
    name = normalize("NFC", entry.name)
    with suppress(OSError):  # a file whose key names no file is none
        if Path(entry.path).with_name(name).samefile(entry.path):
            return name
    return entry.name
