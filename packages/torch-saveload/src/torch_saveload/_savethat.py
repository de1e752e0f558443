"""List the model files that a savethat run writes among its artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

from . import _events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

hookimpl = pluggy.HookimplMarker("savethat")

_disconnect: dict[int, Callable[[], None]] = {}


@hookimpl
def run_start(run: Any) -> None:
    """Listen for saved models from here on."""

    def list_it(path: Path) -> None:
        run.add_artifact(path, kind="model", by="torch_saveload")

    _disconnect[id(run)] = _events.saved.connect(list_it)


@hookimpl
def run_end(run: Any, status: str) -> None:
    """Stop listening."""
    del status
    if disconnect := _disconnect.pop(id(run), None):
        disconnect()
