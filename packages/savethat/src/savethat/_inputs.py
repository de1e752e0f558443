"""What a run read through its storage, by digest: ``inputs`` in ``reproducible.json``."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from savethat._context import innermost_run
from savethat._layout import REPRODUCIBLE
from savethat._reproducible import write_reproducible

if TYPE_CHECKING:
    from pathlib import Path

    from savethat._context import RunContext

_seen: dict[RunContext, dict[str, str]] = {}
_lock = threading.Lock()


def note_input(path: Path, key: str) -> None:
    """Remember that the run going on, if any, reads a file or a folder of the storage."""
    run = innermost_run()
    if run is None or path == run.folder or run.folder in path.parents:
        return
    with _lock:
        if key in _seen.get(run, {}):
            return
    from expcore import digest_file, digest_tree

    digest = digest_tree(path) if path.is_dir() else digest_file(path)
    with _lock:
        _seen.setdefault(run, {})[key] = digest


def write_inputs(run: RunContext) -> None:
    """Add what the run read to its ``reproducible.json``."""
    with _lock:
        inputs = _seen.pop(run, {})
    file = run.folder / REPRODUCIBLE
    if inputs and file.exists():
        facts = json.loads(file.read_text("utf-8"))
        write_reproducible(run.folder, {**facts, "inputs": inputs})
