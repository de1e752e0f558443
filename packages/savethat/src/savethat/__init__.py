"""Typed nodes run from the command line; every run kept, found and had back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from savethat._cli import run_main
from savethat._join import join
from savethat._node import ARGS, HookHandle, Node, create_node
from savethat._project_dir import set_project_dir
from savethat._secret import Secret
from savethat._storage import Storage, get_storage
from savethat.errors import (
    ArgumentsError,
    ArtifactsDiffer,
    BrokenModuleWarning,
    BrokenRun,
    CodeNotFound,
    ConfigError,
    ConfigNotFound,
    NodeAlreadyRan,
    NodeDefinitionError,
    NodeNotFound,
    NotInStorage,
    NotSynced,
    NotSyncedWarning,
    NotWritable,
    Refused,
    ResultsNeedCode,
    ResultsNotSaved,
    RunNotFound,
    RunStillRunning,
    SavethatError,
    SavethatPluginWarning,
    SavethatWarning,
    UnsafeFolder,
)

if TYPE_CHECKING:
    from loguru import logger

    from savethat._args import Args
    from savethat._context import Artifact, RunContext
    from savethat._submit import submit

__version__ = "0.1.0"

__all__ = [
    "ARGS",
    "Args",
    "ArgumentsError",
    "Artifact",
    "ArtifactsDiffer",
    "BrokenModuleWarning",
    "BrokenRun",
    "CodeNotFound",
    "ConfigError",
    "ConfigNotFound",
    "HookHandle",
    "Node",
    "NodeAlreadyRan",
    "NodeDefinitionError",
    "NodeNotFound",
    "NotInStorage",
    "NotSynced",
    "NotSyncedWarning",
    "NotWritable",
    "Refused",
    "ResultsNeedCode",
    "ResultsNotSaved",
    "RunContext",
    "RunNotFound",
    "RunStillRunning",
    "SavethatError",
    "SavethatPluginWarning",
    "SavethatWarning",
    "Secret",
    "Storage",
    "UnsafeFolder",
    "create_node",
    "get_storage",
    "join",
    "logger",
    "run_main",
    "set_project_dir",
    "submit",
]


_LATER = {
    "Args": "savethat._args",
    "Artifact": "savethat._context",
    "RunContext": "savethat._context",
    "logger": "loguru",
    "submit": "savethat._submit",
}
"""Names that few need, or whose modules take long to import."""


def __getattr__(name: str) -> Any:
    """Import what is asked for, and not before."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
