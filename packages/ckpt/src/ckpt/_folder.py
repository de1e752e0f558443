"""The files of a checkpoint folder, as they are now; each is looked into once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ckpt._reader import open_npz
from ckpt._retention import Saved, written
from ckpt.errors import BrokenFileError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ckpt._files import Naming
    from ckpt._retention import Retention

Signature: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """What was found in a file."""

    signature: Signature
    """Of the file that was looked into; another one has another."""
    whole: bool
    metrics: Mapping[str, float]


class Folder:
    """A folder with checkpoints.

    Args:
        path: The folder.
        naming: How its files are called.
        number: A file's number, from its name.
        readable: Whether the files are npz files, so that it can be told which are whole.
    """

    def __init__(
        self, path: Path, naming: Naming, number: Callable[[str], int], *, readable: bool
    ) -> None:
        self.path, self.naming, self.number, self.readable = path, naming, number, readable
        self._known: dict[Path, Known] = {}

    def path_of(self, number: int) -> Path:
        """Where the checkpoint with a number is."""
        return self.path / (self.naming.format % number)

    def numbered(self) -> dict[int, Path]:
        """All checkpoints by number, newest first, whole or not."""
        return self.naming.numbered(self.path, self.number)

    def number_of(self, name: str) -> int | None:
        """The number of a checkpoint's file; None if the name is none of a checkpoint."""
        return self.naming.fitting(name, self.number)

    def saved(self) -> list[Saved]:
        """The checkpoints that look whole, newest first."""
        out: list[Saved] = []
        for number, path in self.numbered().items():
            try:
                stat = path.stat()
                known = self._look(path, stat)
            except FileNotFoundError:  # deleted by another process since it was listed
                continue
            except PermissionError:  # of another user: as little can be said of it as if broken
                continue
            if known.whole:
                time = written(stat.st_mtime)
                out.append(Saved(number, path, time, stat.st_size, known.metrics))
        return out

    def found_broken(self, path: Path) -> None:
        """Remember that a file, which may look whole, was found broken."""
        try:
            self._known[path] = Known(_signature(path.stat()), whole=False, metrics={})
        except FileNotFoundError:
            return

    def prune(self, retention: Retention, saved: int) -> None:
        """Delete the checkpoints that are too many, never the one just saved."""
        found = self.saved()
        kept = retention.kept(found) | {saved}
        for each in found:
            if each.step not in kept:
                self._delete(each.path)

    def _delete(self, path: Path) -> None:
        """Delete a file, or warn: a training run must not end over an old checkpoint."""
        self._known.pop(path, None)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            warnings.warn(f"could not delete the old checkpoint {path}: {error}", stacklevel=5)

    def _look(self, path: Path, stat: os.stat_result) -> Known:
        signature = _signature(stat)
        known = self._known.get(path)
        if known is None or known.signature != signature:
            whole, metrics = self._open(path) if self.readable else (stat.st_size > 0, {})
            known = self._known[path] = Known(signature, whole, metrics)
        return known

    def _open(self, path: Path) -> tuple[bool, Mapping[str, float]]:
        try:
            with open_npz(path) as reader:
                return True, reader.meta().get("metrics", {})
        except BrokenFileError:
            return False, {}


def _signature(stat: os.stat_result) -> Signature:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
