"""Objax-style npz checkpoints that are always there in the morning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckpt._assign import Report
    from ckpt._async import AsyncCheckpoint
    from ckpt._checkpoint import Checkpoint
    from ckpt._collection import Var, VarCollection, Variable
    from ckpt._io import load_var_collection, save_var_collection
    from ckpt._load import Loaded, load
    from ckpt._preempt import Preemption
    from ckpt._restored import Restored
    from ckpt._retention import Retention, Saved
    from ckpt._torch_variables import torch_variables
    from ckpt._tree import TreeVariables, tree_variables
    from ckpt.errors import (
        AmbiguousNameError,
        BrokenCheckpointWarning,
        BrokenFileError,
        CheckpointNotFoundError,
        CkptError,
        DtypeMismatchError,
        InvalidOptionError,
        MissingVariablesError,
        NotAVarCollectionError,
        ShapeMismatchError,
        StateMismatchError,
        UnsupportedValueError,
    )

__all__ = [
    "AmbiguousNameError",
    "AsyncCheckpoint",
    "BrokenCheckpointWarning",
    "BrokenFileError",
    "Checkpoint",
    "CheckpointNotFoundError",
    "CkptError",
    "DtypeMismatchError",
    "InvalidOptionError",
    "Loaded",
    "MissingVariablesError",
    "NotAVarCollectionError",
    "Preemption",
    "Report",
    "Restored",
    "Retention",
    "Saved",
    "ShapeMismatchError",
    "StateMismatchError",
    "TreeVariables",
    "UnsupportedValueError",
    "Var",
    "VarCollection",
    "Variable",
    "load",
    "load_var_collection",
    "save_var_collection",
    "torch_variables",
    "tree_variables",
]
__version__ = "0.1.0"

_HOMES = {
    "AsyncCheckpoint": "_async",
    "Checkpoint": "_checkpoint",
    "Loaded": "_load",
    "Preemption": "_preempt",
    "Report": "_assign",
    "Restored": "_restored",
    "Retention": "_retention",
    "Saved": "_retention",
    "TreeVariables": "_tree",
    "Var": "_collection",
    "VarCollection": "_collection",
    "Variable": "_collection",
    "load": "_load",
    "load_var_collection": "_io",
    "save_var_collection": "_io",
    "torch_variables": "_torch_variables",
    "tree_variables": "_tree",
}


def __getattr__(name: str) -> object:
    """Import what is used when it is first used: numpy takes longer than all of this package."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'ckpt' has no attribute {name!r}")
    value = getattr(import_module(f"ckpt.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
