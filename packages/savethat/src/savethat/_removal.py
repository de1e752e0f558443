"""Remove a run so that, cut short at any instant, it leaves nothing that seems whole.

What killed writers have left in a run is removed when it is uploaded, or with it.
"""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from savethat._layout import RESULTS, STATE, is_temporary
from savethat.errors import BrokenRun, NotSyncedWarning, RunStillRunning

if TYPE_CHECKING:
    from pathlib import Path

    import expcore
    from savethat._files import Files
    from savethat._state import RunState


def check_removable(storage: Files, key: str, *, remote: bool) -> None:
    """Refuse to remove a run that goes on, here or elsewhere.

    Raises:
        RunStillRunning: It does, or another machine still uploads it.
        BrokenRun: Its state cannot be read here, and the remote copy is a good one.
    """
    from savethat._find import read_any_state

    is_here = (storage / key).is_dir()
    try:
        state = read_any_state(storage, key, remote=remote)
    except BrokenRun as error:  # nobody who goes on with a run leaves it like that
        state = _state_there(storage, key, error) if remote and is_here else None
        is_here = False
    if remote and is_here and state is not None and state.now == "lost":
        # Or it was downloaded while it went on elsewhere, and what is here is old.
        state, is_here = _state_there(storage, key) or state, False
    if state is not None and (state.goes_on or (not is_here and state.is_arriving)):
        job = state.job if state.state != "running" else ""
        raise RunStillRunning(key, state.host, state.pid, job)


def _state_there(storage: Files, key: str, broken: BrokenRun | None = None) -> RunState | None:
    """The state of the remote copy of a run, which may be ``broken`` here; None if it has none."""
    from expcore import KeyNotFound
    from savethat._state import decode_state

    if storage.remote is None:
        return None
    if broken and storage.remote.exists(f"{key}/{RESULTS}"):
        raise broken
    try:
        return decode_state(storage.remote.read(f"{key}/{STATE}"))
    except (KeyNotFound, ValueError):
        return None


def remove_local(path: Path) -> None:
    """Remove a file, or a folder and everything below it."""
    if path.is_dir() and not path.is_symlink():
        from shutil import rmtree

        # Renamed first: a removal that is cut short leaves no half run to be found.
        hidden = path.with_name(f".removed-{path.name}")
        rmtree(hidden, ignore_errors=True)
        path.rename(hidden)
        rmtree(hidden)
    else:
        path.unlink(missing_ok=True)


def sweep_below(folder: Path) -> None:
    """Remove what killed writers have left in a folder and in those below it."""
    from expcore import sweep

    for path, _, names in os.walk(folder):
        if any(map(is_temporary, names)):
            sweep(path)


def remove_remote(remote: expcore.Storage, prefix: str) -> None:
    """Remove a key, and everything below it; its results first, so that no part seems whole.

    So are the parts of uploads that were killed and never went on.
    """
    from expcore import AccessDenied, InvalidKey

    keys: list[str] = []
    try:
        for entry in remote.list(f"{prefix}/"):
            keys.append(entry.key)  # noqa: PERF401 # what comes before an error counts
    except InvalidKey as error:  # all others were listed before
        text = f"{remote.url} keeps what no run has written: {error}"
        warnings.warn(text, NotSyncedWarning, stacklevel=4)
    results = f"{prefix}/{RESULTS}"
    for key in [*sorted(keys, key=lambda key: key != results), prefix]:
        remote.delete(key)
    with suppress(AccessDenied):  # who may delete is not always allowed to look for them
        remote.discard_uploads(f"{prefix}/")
