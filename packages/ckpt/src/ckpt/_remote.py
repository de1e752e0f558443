"""Keep the checkpoints of a folder in a storage too, such as a bucket.

They are saved locally and uploaded behind. Where another machine has saved newer ones, they are
restored from the storage.
"""

from __future__ import annotations

import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ckpt._background import Writer
from ckpt._malformed import blamed
from ckpt._reader import NpzReader
from ckpt._retention import Saved, written
from ckpt.errors import BrokenFileError
from expcore import (
    KeyNotFound,
    Stat,
    digest_bytes,
    make_folders,
    open_storage,
    without_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ckpt._folder import Folder
    from ckpt._retention import Retention
    from expcore import Storage


LONGEST = 255
"""Bytes that the name of a folder may have."""


def is_url(logdir: str) -> bool:
    """Whether a logdir is a storage's URL; whatever has no ``://`` is a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.\-]+://", logdir) is not None


def local_folder(url: str) -> Path:
    """Where the checkpoints of a storage are saved first: in the user's cache.

    The path is printed, and listed in runs: a password in the URL must not be in it.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    cache = Path(base) if base else Path.home() / ".cache"
    shown = without_credentials(url).rstrip("/")
    name, rest = quote(shown, safe=""), re.search(r"[?#].*", url)  # a part of a key, or a token
    if rest or len(name) > LONGEST:
        whole = shown + (rest[0] if rest else "")
        name = f"{name[:100]}-{digest_bytes(whole.encode()).partition(':')[2]}"
    return cache / "ckpt" / name


class Remote:
    """The checkpoints of a folder in a storage, under the same names.

    Args:
        url: Of the storage.
        prefix: The subfolder there.
        folder: The local folder.
    """

    def __init__(self, url: str, prefix: str, folder: Folder) -> None:
        self.storage: Storage = open_storage(url)
        self.prefix, self.folder = prefix, folder
        self.uploads = Writer()
        self._fetched: set[Path] = set()
        self._metrics: dict[tuple[str, int, float], Mapping[str, float] | None] = {}

    def upload(self, saved: Path, retention: Retention) -> None:
        """Upload what is whole and not there yet, then delete there what is too many.

        Args:
            saved: The file that was just written.
            retention: Which are kept.
        """
        there = self._listing()
        for each in self.folder.saved():
            if each.path == saved or each.step not in there:
                self.storage.upload(each.path, self._key(each.path.name))
        found = self.saved()
        kept = retention.kept(found) | {self.folder.number(saved.name)}
        for each in found:
            if each.step not in kept:
                self.storage.delete(self._key(each.path.name))

    def settle(self) -> None:
        """Wait for the upload under way, or warn: the next one sends what is not there yet.

        A training run must not end over a network that is down.
        """
        try:
            self.uploads.wait()
        except Exception as error:
            warnings.warn(f"could not upload the last checkpoint: {error}", stacklevel=5)

    def fetch(self, number: int) -> bool:
        """Download a checkpoint; whether there is one."""
        stat = self._listing().get(number)
        if stat is None:
            return False
        make_folders(self.folder.path)
        try:
            self.storage.download(stat.key, self.folder.path_of(number))
        except KeyNotFound:  # another machine has deleted it since it was listed
            return False
        return True

    def fetch_newest(self, but: Iterable[int], above: int | None) -> bool:
        """Download the newest; whether there is one.

        Args:
            but: Numbers that are not looked for.
            above: What it has to be newer than.
        """
        passed = set(but)
        while left := self._listing().keys() - passed:
            newest = max(left)
            if above is not None and newest < above:
                return False
            if self.fetch(newest):
                self._fetched.add(self.folder.path_of(newest))
                return True
            passed.add(newest)
        return False

    def forget_fetched(self, before: Path, but: Iterable[Path]) -> None:
        """Delete the local files of those fetched before one: who only reads needs one of them."""
        if before not in self._fetched:
            return
        for path in self._fetched - {before, *but}:
            with suppress(OSError):  # on Windows it may be in use
                path.unlink(missing_ok=True)
                self._fetched.discard(path)

    def saved(self) -> list[Saved]:
        """The checkpoints there that look whole."""
        out: list[Saved] = []
        for number, stat in self._listing().items():
            try:
                metrics = self._metrics_of(stat)
            except KeyNotFound:  # another machine has deleted it since it was listed
                continue
            if metrics is not None:
                path = self.folder.path_of(number)
                out.append(Saved(number, path, written(stat.mtime), stat.size, metrics))
        return out

    def numbers(self) -> set[int]:
        """The numbers of the checkpoints there."""
        return set(self._listing())

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _listing(self) -> dict[int, Stat]:
        found: dict[int, Stat] = {}
        for stat in self.storage.list(self._key("")):
            if isinstance(stat, Stat):
                name = stat.key.removeprefix(self._key(""))
                number = self.folder.number_of(name)
                if number is not None:
                    found[number] = stat
        return found

    def _metrics_of(self, stat: Stat) -> Mapping[str, float] | None:
        """What a file was saved with; None if it is broken, and so neither counted nor deleted."""
        if not self.folder.readable:
            return {} if stat.size else None
        known = (stat.key, stat.size, stat.mtime)
        if known not in self._metrics:
            try:
                with blamed(stat.key):
                    reader = NpzReader(stat.key, StoredSource(self.storage, stat))
                    self._metrics[known] = reader.meta().get("metrics", {})
            except BrokenFileError:
                self._metrics[known] = None
        return self._metrics[known]


class StoredSource:
    """A stored file, read at offsets without downloading the whole."""

    parallel = False

    def __init__(self, storage: Storage, stat: Stat) -> None:
        self.storage, self.key, self.size = storage, stat.key, stat.size

    def read(self, offset: int, length: int) -> bytes:
        """Read that many bytes; fewer mean that the file ends there."""
        stop = min(self.size, offset + max(0, length))
        if offset >= stop:
            return b""
        with self.storage.open_read(self.key, offset, stop) as file:
            return file.read()

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer; the number of bytes that the file had for it."""
        data = self.read(offset, len(buffer))
        buffer[: len(data)] = data
        return len(data)
