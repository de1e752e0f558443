"""A folder of numbered checkpoints, of which the newest are kept."""

from __future__ import annotations

import operator
import os
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from ckpt._assign import Report, as_patterns
from ckpt._background import Writer
from ckpt._collection import check_collection
from ckpt._disk import sync
from ckpt._events import announce, held
from ckpt._io import collect_arrays, plain_meta
from ckpt._newest import restore_newest
from ckpt._npz import check_arrays
from ckpt._numbered import Numbered
from ckpt._preempt import Preemption
from ckpt._restored import Restored
from ckpt._snapshot import Snapshot
from ckpt.errors import CheckpointNotFoundError
from expcore import make_folders, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ckpt._rename import Renamer
    from ckpt._retention import Retention


class Checkpoint(Numbered):
    """Save variables under a number, keep the newest, restore any of them.

    Args:
        logdir: The folder of the run; the checkpoints go to its subfolder ``DIR_NAME``. Or the
            URL of a storage (``b2://…``, ``s3://…``): then they are saved in the user's cache,
            uploaded behind, and restored from the storage where another machine saved newer ones.
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

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        keep_ckpts: int | Retention,
        makedir: bool = True,  # noqa: FBT001, FBT002, RUF100 -- documented as positional
        verbose: bool = True,  # noqa: FBT001, FBT002, RUF100
        *,
        background: bool = False,
    ) -> None:
        super().__init__(logdir, keep_ckpts)
        self.verbose = verbose
        self._writer = Writer() if background else None
        self._snapshot = Snapshot()
        self._makedir = makedir
        if makedir:
            make_folders(self._folder.path)

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
            metrics: How good it is, in numbers by which :class:`ckpt.Retention` keeps the best.
            extra: Plain JSON data to store beside the values; see ``restore(...).extra``.
            portable: Store bfloat16 and float8 as float32, which objax can read.

        Raises:
            NotAVarCollectionError, UnsupportedValueError: It has what cannot be saved.
            OSError: The file could not be written; the older checkpoints are as they were.
        """
        check_collection(vc)
        number = operator.index(idx)
        given = {"metrics": metrics, "extra": extra, "portable": portable or None}
        options = {k: v for k, v in given.items() if v is not None}
        if self._writer is None or self._writer.is_writing_here:
            self._write(vc, number, options)
            return
        with self._writer.turn:
            self._writer.wait()  # it may still read the buffer
            plain_meta(metrics, extra)  # what is wrong with these is said at once
            arrays = collect_arrays(vc)
            check_arrays(list(arrays), arrays.values())
            copies, options = self._snapshot.take(arrays), deepcopy(options)
            self._writer.start(lambda: self._write(copies.variables(), number, options))

    def wait(self) -> None:
        """Wait until what was saved in the background has reached the disk, and the storage.

        Raises:
            OSError: It could not be written, or not be uploaded.
        """
        if self._writer is not None:
            self._writer.wait()
        if self._remote is not None:
            self._remote.uploads.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def _write(self, vc: Any, number: int, options: Mapping[str, Any]) -> None:
        if self._remote is not None:
            self._remote.settle()  # it may still upload what is deleted below
        path = self._folder.path_of(number)
        if self._makedir:  # it may have been removed since the last save
            make_folders(self._folder.path)
        # Behind, the process's folder may change at any time.
        file = self._file(path) if self._writer is None else os.fspath(path)
        with held():
            cast("Any", self).SAVE_FN(file, vc, **options)
        if not self._folder.readable:  # one's own function need not know about power failures
            sync(path)
            sync(path.parent)
        announce(file)
        self._folder.prune(self.retention, number)
        sweep(self._folder.path)
        if remote := self._remote:
            remote.uploads.start(lambda: remote.upload(path, self.retention))

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
            only: Shell patterns; a variable none of whose names fit is left alone. With
                ``strict``, a pattern that fits no variable is an error.
            rename: Takes a name in the file and gives the name in the collection; or a mapping of
                names, where ``{"encoder/*": "backbone/*"}`` renames all that begin so.
            strict: Whether a variable that the file lacks is an error.
            cast: Whether numbers of another dtype are converted, if only precision is lost.

        Returns:
            Number and path of the checkpoint, ``(0, '')`` if none was saved yet; as attributes,
            what became of each variable.

        Warns:
            BrokenCheckpointWarning: Newer files were broken; it names each and what is wrong.

        Raises:
            CheckpointNotFoundError: There is no checkpoint ``idx`` (FileNotFoundError).
            BrokenFileError: Checkpoint ``idx`` is broken, or all are (ValueError).
            MissingVariablesError, ShapeMismatchError, DtypeMismatchError: It is of others.
        """
        check_collection(vc)
        self.wait()
        parts = as_patterns(only)
        given = {"renamer": rename, "only": parts, "strict": strict and None, "cast": cast or None}
        load = partial(self._load, vc, {k: v for k, v in given.items() if v is not None})
        if idx is None:
            found = restore_newest(self._folder, self._remote, load, self._file)
            if found is None and self.verbose:
                print("No checkpoints found. Skipping restoring variables.")  # noqa: T201
            return found or Restored(0, "", Report())
        number = operator.index(idx)
        path = self._folder.path_of(number)
        if self._remote is not None and not path.exists():
            self._remote.fetch(number)
        try:
            return load(number, path)
        except FileNotFoundError as error:
            if path.exists():
                raise
            known = {*self._folder.numbered(), *(self._remote.numbers() if self._remote else ())}
            raise CheckpointNotFoundError(self._file(path), sorted(known)) from error

    def _load(self, vc: Any, options: Mapping[str, Any], number: int, path: Path) -> Restored:
        report = cast("Any", self).LOAD_FN(file := self._file(path), vc, **options)
        if self.verbose:
            print(f"Resuming from {file}")  # noqa: T201 -- a documented line
        return Restored(number, file, report if isinstance(report, Report) else Report())

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


Checkpoint.__module__ = "ckpt"
