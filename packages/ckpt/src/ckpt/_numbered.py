"""A folder of numbered checkpoints as it is: its names, and what is in it."""

from __future__ import annotations

import operator
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from ckpt._files import Naming
from ckpt._folder import Folder
from ckpt._io import load_var_collection, save_var_collection
from ckpt._remote import Remote, is_url, local_folder
from ckpt._retention import Retention, Saved, ranked
from ckpt.errors import InvalidOptionError
from expcore import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable


PLACE = {"logdir", "DIR_NAME", "FILE_MATCH", "FILE_FORMAT"}
"""Attributes that say where the checkpoints are."""


class Numbered:
    """What :class:`ckpt.Checkpoint` knows without reading or writing a checkpoint."""

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

    def __init__(self, logdir: str | os.PathLike[str], keep: int | Retention) -> None:
        self.logdir = os.fspath(logdir)
        self.keep_ckpts = keep
        naming = Naming(self.FILE_MATCH, self.FILE_FORMAT)
        naming.check(self.checkpoint_idx)
        mine = cast("Any", self)
        # Files of other functions cannot be looked into.
        readable = mine.LOAD_FN is load_var_collection and mine.SAVE_FN is save_var_collection
        remote = is_url(self.logdir)
        base = os.fspath(local_folder(self.logdir)) if remote else self.logdir
        path = Path(base, self.DIR_NAME).absolute()  # whatever the process's folder is later
        self._base = base
        self._folder = Folder(path, naming, self.checkpoint_idx, readable=readable)
        self._remote = Remote(self.logdir, self.DIR_NAME, self._folder) if remote else None

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, unless it says where the checkpoints are: that would be too late."""
        if name in PLACE and "_folder" in vars(self):
            value = os.fspath(value) if isinstance(value, os.PathLike) else value
            if value != getattr(self, name):
                raise AttributeError(
                    f"{name} cannot be changed of a {type(self).__name__} that is made: "
                    "make another one, of a subclass if it is to have other constants"
                )
        super().__setattr__(name, value)

    @property
    def keep_ckpts(self) -> int | Retention:
        """How many checkpoints to keep, or which; it counts from the next save on."""
        return self._keep

    @keep_ckpts.setter
    def keep_ckpts(self, keep: int | Retention) -> None:
        self.retention = _retention(keep)
        self._keep = keep

    def __repr__(self) -> str:
        logdir = self.logdir if self._remote is None else without_credentials(self.logdir)
        return f"{type(self).__name__}({logdir!r}, keep_ckpts={self.keep_ckpts})"

    @classmethod
    def checkpoint_idx(cls, filename: str) -> int:
        """The number of the checkpoint with a file name.

        Raises:
            ValueError: The name has no number in it.

        >>> import ckpt
        >>> ckpt.Checkpoint.checkpoint_idx("logs/ckpt/0000000042.npz")
        42
        """
        return Naming(cls.FILE_MATCH, cls.FILE_FORMAT).number(filename)

    def _file(self, path: Path) -> str:
        """A checkpoint's path as objax gives it: the folder as given, while that leads there."""
        given = os.path.join(self._base, self.DIR_NAME, path.name)  # noqa: PTH118
        return given if Path(given).absolute() == path else os.fspath(path)

    def all(self) -> list[Saved]:
        """The checkpoints that look whole, oldest first, with step, time, metrics and size.

        Those of a storage are among them; the path is where :meth:`ckpt.Checkpoint.restore` puts
        one that is not here yet.
        """
        return self._saved()[::-1]

    def latest(self) -> Saved | None:
        """The newest checkpoint that looks whole; None if there is none."""
        return next(iter(self._saved()), None)

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
        found = ranked(self._saved(), name, mode or self.retention.mode)
        return next(iter(found), None)

    def _saved(self) -> list[Saved]:
        """The checkpoints here, and in the storage, newest first."""
        found: dict[int, Saved] = {}
        try:
            found = {} if self._remote is None else {s.step: s for s in self._remote.saved()}
        except Exception as error:
            warnings.warn(f"could not look for more checkpoints: {error}", stacklevel=3)
        found |= {saved.step: saved for saved in self._folder.saved()}
        return sorted(found.values(), key=lambda saved: saved.step, reverse=True)


def _retention(keep: int | Retention) -> Retention:
    if isinstance(keep, Retention):
        return keep
    if operator.index(keep) < 1:
        raise InvalidOptionError("keep_ckpts", keep, "at least 1")
    return Retention(last=operator.index(keep))
