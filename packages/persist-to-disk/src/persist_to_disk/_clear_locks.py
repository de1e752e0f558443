"""Remove lock files that nobody uses, of this version and of 0.0.7."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from persist_to_disk._config import config
from persist_to_disk._locks import FOLDER, is_free

log = logging.getLogger("persist_to_disk")


def clear_locks(clear: bool = False) -> list[Path]:
    """Find the lock files of this project that nobody holds, and remove them if asked.

    It may be done at any time. No call needs it: nothing waits for a process that is dead.

    Args:
        clear: Remove them.

    Returns:
        The files, those of functions with ``local=True`` too.

    Raises:
        OSError: A file cannot be opened or removed.
    """
    roots = {config.get_project_persist_path(), config.get_project_persist_path(local=True)}
    # Other than `rglob`, this takes it well that somebody removes folders meanwhile.
    walked = [
        Path(top, name) for root in roots for top, _, names in os.walk(root) for name in names
    ]
    found = [path for path in sorted(filter(_is_lock_file, walked)) if is_free(path, remove=clear)]
    for path in found:
        log.info("%s: %s", path, "removed" if clear else "nobody holds it")
    return found


def _is_lock_file(path: Path) -> bool:
    return path.name.endswith(".lock") or path.parent.name == FOLDER
