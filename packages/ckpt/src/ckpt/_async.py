"""The checkpoint that saves in the background, under a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckpt._checkpoint import Checkpoint

if TYPE_CHECKING:
    import os

    from ckpt._retention import Retention


class AsyncCheckpoint(Checkpoint):
    """A :class:`ckpt.Checkpoint` that saves in the background.

    >>> import ckpt
    >>> with ckpt.AsyncCheckpoint("behind", keep_ckpts=1) as checkpoint:
    ...     checkpoint.save(ckpt.VarCollection({"step": 3}), idx=3)
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        keep_ckpts: int | Retention,
        makedir: bool = True,  # noqa: FBT001, FBT002, RUF100 -- as above
        verbose: bool = True,  # noqa: FBT001, FBT002, RUF100
    ) -> None:
        super().__init__(logdir, keep_ckpts, makedir, verbose, background=True)


AsyncCheckpoint.__module__ = "ckpt"
