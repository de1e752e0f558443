"""Zip a codebase, import it later, several versions side by side."""

from codesave._checks import Limits
from codesave._choose import Skipped
from codesave._codebase import Codebase
from codesave._redirect import ImportHookWarning
from codesave._save import checkpoint
from codesave._snapshot import Snapshot
from codesave._unique import UniqueCodebase

__all__ = [
    "Codebase",
    "ImportHookWarning",
    "Limits",
    "Skipped",
    "Snapshot",
    "UniqueCodebase",
    "checkpoint",
]

__version__ = "0.1.0"
