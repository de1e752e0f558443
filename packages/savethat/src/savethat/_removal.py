"""Remove a run so that, cut short at any instant, it leaves nothing that seems whole.

What killed writers have left in a run is removed when it is uploaded, or with it.
"""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from savethat._layout import RESULTS, is_temporary
from savethat.errors import NotSyncedWarning

if TYPE_CHECKING:
    from pathlib import Path

    import expcore


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
