"""Zip a codebase, import it later, several versions side by side."""

from codesave._checks import Limits
from codesave._choose import Skipped
from codesave._codebase import Codebase
from codesave._inspect import diff, packages, show, verify
from codesave._redirect import ImportHookWarning
from codesave._save import checkpoint
from codesave._snapshot import Snapshot
from codesave._unique import UniqueCodebase
from codesave._wandb import (
    WandBCodebase,
    checkpoint_codebase_for_wandb,
    checkpoint_to_wandb,
    download_from_wandb,
    load_codebase_from_wandb,
    zip_from_wandb,
    zip_from_wandb_artifact,
)

__all__ = [
    "Codebase",
    "ImportHookWarning",
    "Limits",
    "Skipped",
    "Snapshot",
    "UniqueCodebase",
    "WandBCodebase",
    "checkpoint",
    "checkpoint_codebase_for_wandb",
    "checkpoint_to_wandb",
    "diff",
    "download_from_wandb",
    "load_codebase_from_wandb",
    "packages",
    "show",
    "verify",
    "zip_from_wandb",
    "zip_from_wandb_artifact",
]

__version__ = "0.1.0"
