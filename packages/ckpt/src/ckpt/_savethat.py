"""The savethat plugin: each checkpoint written while a run is active is listed in the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from ckpt._events import saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

hookimpl = pluggy.HookimplMarker("savethat")


class Run(Protocol):
    """What this plugin needs of a run."""

    key: str

    def add_artifact(self, path: Path, *, kind: str, by: str) -> Any:
        """List a file."""
        ...


_connections: dict[str, list[Callable[[], None]]] = {}


@hookimpl
def run_start(run: Run) -> None:
    """Begin to list checkpoints."""

    def add(path: Path) -> None:
        run.add_artifact(path, kind="checkpoint", by="ckpt")

    _connections.setdefault(run.key, []).append(saved.connect(add))


@hookimpl
def run_end(run: Run) -> None:
    """List no more, once what is saved in the background is there."""
    background = sys.modules.get("ckpt._background")  # imported only if something was saved
    if background is not None:
        background.finish_all()
    for disconnect in _connections.pop(run.key, []):
        disconnect()
