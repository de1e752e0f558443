"""A folder of numbered checkpoints, of which the newest are kept."""

from __future__ import annotations

import operator
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ckpt._collection import check_collection
from ckpt._disk import make_folders, sync
from ckpt._events import announce, held
from ckpt._files import Naming
from ckpt._io import load_var_collection, save_var_collection
from ckpt._npz import open_npz
from ckpt.errors import (
    BrokenCheckpointWarning,
    BrokenFileError,
    CheckpointNotFoundError,
    InvalidOptionError,
)
from expcore import sweep

if TYPE_CHECKING:
    from collections.abc import Callable

Signature = tuple[int, int, int]


class Checkpoint:
    """Save variables under a number, keep the newest, restore any of them.

    Args:
        logdir: The folder of the run; the checkpoints go to its subfolder ``DIR_NAME``.
        keep_ckpts: How many checkpoints to keep; at least 1.
        makedir: Make the folder, and its parents, if it is not there.
        verbose: Print a line when something is restored, or nothing is there to restore.

    Raises:
        InvalidOptionError: ``keep_ckpts`` is less than 1 (ValueError).

    >>> import ckpt
    >>> import numpy as np
    >>> vc = ckpt.VarCollection({"w": np.zeros(2)})
    >>> checkpoint = ckpt.Checkpoint("logs", keep_ckpts=3)
    >>> checkpoint.save(vc, idx=1)
    >>> vc["w"].assign(np.ones(2))
    >>> checkpoint.restore(vc)
    Resuming from logs/ckpt/0000000001.npz
    (1, 'logs/ckpt/0000000001.npz')
    >>> vc["w"].value
    array([0., 0.])
    """

    DIR_NAME: ClassVar[str] = "ckpt"
    """The subfolder of ``logdir`` that the checkpoints are in."""

    FILE_MATCH: ClassVar[str] = "*.npz"
    """Which files to look at, as a shell pattern."""

    FILE_FORMAT: ClassVar[str] = "%010d.npz"
    """A checkpoint's file name, from its number. Files with other names are never touched."""

    LOAD_FN: ClassVar[Callable[[str, Any], Any]] = staticmethod(load_var_collection)
    """Loads a collection from a path."""

    SAVE_FN: ClassVar[Callable[[str, Any], Any]] = staticmethod(save_var_collection)
    """Saves a collection to a path."""

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        keep_ckpts: int,
        makedir: bool = True,  # noqa: FBT001, FBT002, RUF100 -- documented as positional
        verbose: bool = True,  # noqa: FBT001, FBT002, RUF100
    ) -> None:
        if operator.index(keep_ckpts) < 1:
            raise InvalidOptionError("keep_ckpts", keep_ckpts, "at least 1")
        self.logdir = os.fspath(logdir)
        self.keep_ckpts = operator.index(keep_ckpts)
        self.verbose = verbose
        self._known: dict[Path, tuple[Signature, bool]] = {}
        if makedir:
            make_folders(self._folder)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.logdir!r}, keep_ckpts={self.keep_ckpts})"

    @classmethod
    def checkpoint_idx(cls, filename: str) -> int:
        """The number of the checkpoint with a file name.

        Raises:
            ValueError: The name has no number in it.

        >>> Checkpoint.checkpoint_idx("logs/ckpt/0000000042.npz")
        42
        """
        return Naming(cls.FILE_MATCH, cls.FILE_FORMAT).number(filename)

    def save(self, vc: Any, idx: int) -> None:
        """Save a collection under a number, then delete the checkpoints that are too many.

        When this returns, the checkpoint survives a power failure; only then is an older one
        deleted. The newest by number are kept, and always the one just saved. Broken files are
        neither counted nor deleted, nor are files with names of another form.

        Args:
            vc: A mapping from names to variables.
            idx: The number, such as a step or an epoch. An existing checkpoint is replaced.

        Raises:
            NotAVarCollectionError: ``vc`` is no such mapping.
            UnsupportedValueError: A value is no plain array.
            OSError: The file could not be written; the older checkpoints are as they were.
        """
        check_collection(vc)
        number = operator.index(idx)
        path = self._path(number)
        save = cast("Any", self).SAVE_FN
        with held():
            save(str(path), vc)
        if not self._ours:  # one's own function need not know about power failures
            sync(path)
            sync(path.parent)
        announce(path)
        self._note(path, whole=True)
        self._retain(number)
        sweep(self._folder)

    def restore(self, vc: Any, idx: int | None = None) -> tuple[int, str]:
        """Assign the values of a checkpoint: of the newest that is whole, or of the one named.

        All is read and checked before anything is assigned: if this raises, every variable is as
        it was.

        Args:
            vc: A mapping from names to variables.
            idx: The number of the checkpoint; the newest if not given.

        Returns:
            The number and the path of the checkpoint; ``(0, '')`` if none was saved yet.

        Warns:
            BrokenCheckpointWarning: Newer files were broken; it names each and what is wrong.

        Raises:
            CheckpointNotFoundError: There is no checkpoint ``idx`` (FileNotFoundError).
            BrokenFileError: Checkpoint ``idx`` is broken, or all are (ValueError).
            MissingVariablesError, ShapeMismatchError, DtypeMismatchError: The checkpoint is
                whole, but of other variables.
        """
        check_collection(vc)
        if idx is None:
            return self._restore_newest(vc)
        number = operator.index(idx)
        path = self._path(number)
        try:
            self._load(path, vc)
        except FileNotFoundError as error:
            if path.exists():
                raise
            raise CheckpointNotFoundError(str(path), sorted(self._numbered())) from error
        return self._restored(number, path)

    def _restore_newest(self, vc: Any) -> tuple[int, str]:
        broken: dict[Path, BrokenFileError] = {}
        while True:
            left = {n: path for n, path in self._numbered().items() if path not in broken}
            if not left:
                break
            number, path = next(iter(left.items()))
            try:
                self._load(path, vc)
            except BrokenFileError as error:
                broken[path] = error
                self._note(path, whole=False)
            except FileNotFoundError:
                # Another process saved a newer one, and deleted this: look again.
                if path.exists():
                    raise
            else:
                if broken:
                    _warn(path, list(broken.values()))
                return self._restored(number, path)
        if broken:
            first, *rest = broken.values()
            others = "".join(f"; nor is {error.path}: {error.reason}" for error in rest)
            raise BrokenFileError(first.path, first.reason + others) from first
        if self.verbose:
            _say("No checkpoints found. Skipping restoring variables.")
        return 0, ""

    def _restored(self, number: int, path: Path) -> tuple[int, str]:
        if self.verbose:
            _say(f"Resuming from {path}")
        return number, str(path)

    @property
    def _folder(self) -> Path:
        return Path(self.logdir, self.DIR_NAME)

    @property
    def _ours(self) -> bool:
        """Whether the files are npz files of this package, as far as can be known."""
        mine = cast("Any", self)
        return mine.LOAD_FN is load_var_collection and mine.SAVE_FN is save_var_collection

    def _load(self, path: Path, vc: Any) -> None:
        load = cast("Any", self).LOAD_FN
        load(str(path), vc)

    def _path(self, number: int) -> Path:
        return self._folder / (self.FILE_FORMAT % number)

    def _numbered(self) -> dict[int, Path]:
        naming = Naming(self.FILE_MATCH, self.FILE_FORMAT)
        return naming.numbered(self._folder, self.checkpoint_idx)

    def _retain(self, saved: int) -> None:
        whole = [n for n, path in self._numbered().items() if n == saved or self._is_whole(path)]
        for number in whole[self.keep_ckpts :]:
            if number != saved:
                _delete(self._path(number))

    def _is_whole(self, path: Path) -> bool:
        """Whether a file looks whole without reading its values; each file is looked at once."""
        try:
            signature = _signature(path)
            known = self._known.get(path)
            if known is None or known[0] != signature:
                known = self._known[path] = signature, self._looks_whole(path)
        except FileNotFoundError:
            return False
        return known[1]

    def _looks_whole(self, path: Path) -> bool:
        if not self._ours:
            return path.stat().st_size > 0
        try:
            with open_npz(path):
                return True
        except BrokenFileError:
            return False

    def _note(self, path: Path, *, whole: bool) -> None:
        self._known = {p: entry for p, entry in self._known.items() if p.exists()}
        if path.exists():
            self._known[path] = _signature(path), whole


def _signature(path: Path) -> Signature:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # The new checkpoint is safe; a training run must not end over an old one.
        warnings.warn(f"could not delete the old checkpoint {path}: {error}", stacklevel=4)


def _warn(restored: Path, broken: list[BrokenFileError]) -> None:
    lines = "".join(f"\n  {error.path}: {error.reason}" for error in broken)
    warnings.warn(
        f"restored {restored}, because newer checkpoints are broken (they were kept):{lines}",
        BrokenCheckpointWarning,
        stacklevel=4,
    )


def _say(text: str) -> None:
    print(text)  # noqa: T201 -- documented: a line of its own when something is restored


Checkpoint.__module__ = "ckpt"
