"""A folder of numbered checkpoints, of which the newest are kept."""

from __future__ import annotations

import operator
import os
import warnings
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from ckpt._assign import Renamer, Report
from ckpt._background import Snapshot, Writer
from ckpt._collection import check_collection
from ckpt._disk import make_folders, sync
from ckpt._events import announce, held
from ckpt._files import Naming
from ckpt._folder import Folder
from ckpt._io import collect_arrays, load_var_collection, plain_meta, save_var_collection
from ckpt._npz import check_arrays
from ckpt._preempt import Preemption
from ckpt._restored import Restored
from ckpt._retention import Retention, Saved, ranked
from ckpt.errors import (
    BrokenCheckpointWarning,
    BrokenFileError,
    CheckpointNotFoundError,
    InvalidOptionError,
)
from expcore import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Checkpoint:
    """Save variables under a number, keep the newest, restore any of them.

    Args:
        logdir: The folder of the run; the checkpoints go to its subfolder ``DIR_NAME``.
        keep_ckpts: How many checkpoints to keep, at least 1; or a :class:`ckpt.Retention`.
        makedir: Make the folder, and its parents, if it is not there.
        verbose: Print a line when something is restored, or nothing is there to restore.
        background: Let :meth:`save` return once the values are copied, and write behind. At most
            one write is under way; what goes wrong with it is raised by the next call of
            :meth:`save`, :meth:`restore` or :meth:`wait`. At exit it is finished.

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
        keep_ckpts: int | Retention,
        makedir: bool = True,  # noqa: FBT001, FBT002, RUF100 -- documented as positional
        verbose: bool = True,  # noqa: FBT001, FBT002, RUF100
        *,
        background: bool = False,
    ) -> None:
        self.logdir = os.fspath(logdir)
        self.keep_ckpts = keep_ckpts
        self.retention = _retention(keep_ckpts)
        self.verbose = verbose
        self._writer = Writer() if background else None
        self._snapshot = Snapshot()
        naming = Naming(self.FILE_MATCH, self.FILE_FORMAT)
        mine = cast("Any", self)
        # Files of other functions cannot be looked into.
        readable = mine.LOAD_FN is load_var_collection and mine.SAVE_FN is save_var_collection
        path = Path(self.logdir, self.DIR_NAME)
        self._folder = Folder(path, naming, self.checkpoint_idx, readable=readable)
        if makedir:
            make_folders(path)

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

    def save(
        self,
        vc: Any,
        idx: int,
        *,
        metrics: Mapping[str, float] | None = None,
        extra: Any = None,
        portable: bool = False,
    ) -> None:
        """Save a collection under a number, then delete the checkpoints that are too many.

        When this returns, the checkpoint survives a power failure; only then is an older one
        deleted. The newest by number are kept, and always the one just saved. Broken files are
        neither counted nor deleted, nor are files with names of another form.

        Args:
            vc: A mapping from names to variables.
            idx: The number, such as a step or an epoch. An existing checkpoint is replaced.
            metrics: Numbers that tell how good it is, by which :class:`ckpt.Retention` can keep
                the best.
            extra: Plain JSON data to store beside the values; see ``restore(...).extra``.
            portable: Store bfloat16 and float8 as float32, which objax can read.

        Raises:
            NotAVarCollectionError: ``vc`` is no such mapping.
            UnsupportedValueError: A value is no plain array.
            OSError: The file could not be written; the older checkpoints are as they were.
        """
        check_collection(vc)
        number = operator.index(idx)
        given = {"metrics": metrics, "extra": extra, "portable": portable or None}
        options = {k: v for k, v in given.items() if v is not None}
        if self._writer is None:
            self._write(vc, number, options)
            return
        self._writer.wait()  # it may still read the buffer
        plain_meta(metrics, extra)  # what is wrong with these is said at once
        arrays = collect_arrays(vc)
        check_arrays(list(arrays), arrays.values())
        copies, options = self._snapshot.take(arrays), deepcopy(options)
        self._writer.start(lambda: self._write(copies, number, options))

    def wait(self) -> None:
        """Wait until what was saved in the background has reached the disk.

        Raises:
            OSError: It could not be written.
        """
        if self._writer is not None:
            self._writer.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def _write(self, vc: Any, number: int, options: Mapping[str, Any]) -> None:
        path = self._folder.path_of(number)
        with held():
            cast("Any", self).SAVE_FN(str(path), vc, **options)
        if not self._folder.readable:  # one's own function need not know about power failures
            sync(path)
            sync(path.parent)
        announce(path)
        found = self._folder.saved()
        kept = self.retention.kept(found) | {number}
        for saved in found:
            if saved.step not in kept:
                self._folder.delete(saved.path)
        sweep(self._folder.path)

    def restore(
        self,
        vc: Any,
        idx: int | None = None,
        *,
        only: str | Iterable[str] | None = None,
        rename: Renamer | None = None,
        strict: bool = True,
        cast: bool = False,
    ) -> Restored:
        """Assign the values of a checkpoint: of the newest that is whole, or of the one named.

        All is read and checked before anything is assigned: if this raises, every variable is as
        it was.

        Args:
            vc: A mapping from names to variables.
            idx: The number of the checkpoint; the newest if not given.
            only: Shell patterns; a variable none of whose names fit is left alone.
            rename: Takes a name in the file and gives the name in the collection; or a mapping of
                names, where ``{"encoder/*": "backbone/*"}`` renames all that begin so.
            strict: Whether a variable that the file lacks is an error.
            cast: Whether numbers of another dtype are converted, if only precision is lost.

        Returns:
            The number and the path of the checkpoint, ``(0, '')`` if none was saved yet; besides,
            as attributes, what became of each variable.

        Warns:
            BrokenCheckpointWarning: Newer files were broken; it names each and what is wrong.

        Raises:
            CheckpointNotFoundError: There is no checkpoint ``idx`` (FileNotFoundError).
            BrokenFileError: Checkpoint ``idx`` is broken, or all are (ValueError).
            MissingVariablesError, ShapeMismatchError, DtypeMismatchError: The checkpoint is
                whole, but of other variables.
        """
        check_collection(vc)
        self.wait()
        given = {"renamer": rename, "only": only, "strict": strict and None, "cast": cast or None}
        options = {k: v for k, v in given.items() if v is not None}
        if idx is None:
            return self._restore_newest(vc, options)
        number = operator.index(idx)
        path = self._folder.path_of(number)
        try:
            return self._load(number, path, vc, options)
        except FileNotFoundError as error:
            if path.exists():
                raise
            raise CheckpointNotFoundError(str(path), sorted(self._folder.numbered())) from error

    def _restore_newest(self, vc: Any, options: Mapping[str, Any]) -> Restored:
        broken: dict[Path, BrokenFileError] = {}
        while True:
            left = {n: p for n, p in self._folder.numbered().items() if p not in broken}
            if not left:
                break
            number, path = next(iter(left.items()))
            try:
                restored = self._load(number, path, vc, options)
            except BrokenFileError as error:
                broken[path] = error
                self._folder.found_broken(path)
            except FileNotFoundError:
                # Another process saved a newer one, and deleted this: look again.
                if path.exists():
                    raise
            else:
                if broken:
                    _warn(path, list(broken.values()))
                return restored
        if broken:
            first, *rest = broken.values()
            others = "".join(f"; nor is {error.path}: {error.reason}" for error in rest)
            raise BrokenFileError(first.path, first.reason + others) from first
        if self.verbose:
            _say("No checkpoints found. Skipping restoring variables.")
        return Restored(0, "", Report())

    def _load(self, number: int, path: Path, vc: Any, options: Mapping[str, Any]) -> Restored:
        report = cast("Any", self).LOAD_FN(str(path), vc, **options)
        if self.verbose:
            _say(f"Resuming from {path}")
        return Restored(number, str(path), report if isinstance(report, Report) else Report())

    def on_preempt(self, fn: Callable[..., Any]) -> Preemption:
        """Have a training saved once, and stopped, when its machine is about to be taken away.

        On ``SIGTERM``, or ``SIGUSR1`` as SLURM sends it, nothing happens until the end of the
        step, where the training asks::

            with checkpoint.on_preempt(lambda step: checkpoint.save(vc, step)) as stop:
                for step in range(10_000):
                    train()
                    if stop(step):
                        break

        Args:
            fn: Saves; called once, with the arguments given at the step. What it saved has
                reached the disk when the training is told to stop.

        Raises:
            ValueError: This is not the main thread, which alone can handle signals.
        """

        def save(*args: Any, **kwargs: Any) -> None:
            fn(*args, **kwargs)
            self.wait()

        return Preemption(save)

    def all(self) -> list[Saved]:
        """The checkpoints that look whole, oldest first, with step, time, metrics and size."""
        return self._folder.saved()[::-1]

    def latest(self) -> Saved | None:
        """The newest checkpoint that looks whole; None if there is none."""
        return next(iter(self._folder.saved()), None)

    def best(
        self, metric: str | None = None, mode: Literal["min", "max"] | None = None
    ) -> Saved | None:
        """The best checkpoint by a metric; None if none was saved with it.

        Args:
            metric: Its name; that of the :class:`ckpt.Retention` if not given.
            mode: Whether the best is the smallest or the largest; likewise.

        Raises:
            InvalidOptionError: Neither names a metric (ValueError).
        """
        name = metric or self.retention.metric
        if name is None:
            raise InvalidOptionError("metric", None, "a name, here or in the Retention")
        found = ranked(self._folder.saved(), name, mode or self.retention.mode)
        return next(iter(found), None)


def _retention(keep: int | Retention) -> Retention:
    if isinstance(keep, Retention):
        return keep
    if operator.index(keep) < 1:
        raise InvalidOptionError("keep_ckpts", keep, "at least 1")
    return Retention(last=operator.index(keep))


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
