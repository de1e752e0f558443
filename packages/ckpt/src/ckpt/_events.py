"""What others may listen to: one signal, sent with the path of each checkpoint written."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from expcore import Signal

if TYPE_CHECKING:
    from collections.abc import Generator

saved: Signal[Path] = Signal("ckpt.saved")
"""Sent after a checkpoint has reached the disk."""

_held: ContextVar[bool] = ContextVar("ckpt_signal_held", default=False)


def announce(path: str | Path) -> None:
    """Tell the listeners about a file, unless the caller up the stack will."""
    if not _held.get():
        saved.send(Path(path))


@contextmanager
def held() -> Generator[None]:
    """Keep :func:`announce` silent: a file saved through a ``SAVE_FN`` is announced once."""
    token = _held.set(True)
    try:
        yield
    finally:
        _held.reset(token)
