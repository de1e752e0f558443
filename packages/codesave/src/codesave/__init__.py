"""Zip a codebase, import it later, several versions side by side."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

# Who loads a codebase does not wait for what saves one.
_HOME = {
    "Codebase": "_codebase",
    "ImportHookWarning": "_redirect",
    "Limits": "_checks",
    "Skipped": "_choose",
    "Snapshot": "_snapshot",
    "UniqueCodebase": "_unique",
    "checkpoint": "_save",
    **dict.fromkeys(("diff", "packages", "show", "verify"), "_inspect"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME.get(name, '_wandb')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
