"""The final PyTorch model in one file, by a decorator, without code in it."""

from ._decorator import save_load
from ._mixin import SaveLoad
from ._registry import register_type
from ._report import LoadReport
from .errors import (
    ClassMismatchError,
    ConfigError,
    CorruptError,
    DecorationError,
    FormatError,
    StateMismatchError,
    TorchSaveloadError,
    UnsaveableError,
    UntrustedError,
    VersionMismatchError,
)

__all__ = [
    "ClassMismatchError",
    "ConfigError",
    "CorruptError",
    "DecorationError",
    "FormatError",
    "LoadReport",
    "SaveLoad",
    "StateMismatchError",
    "TorchSaveloadError",
    "UnsaveableError",
    "UntrustedError",
    "VersionMismatchError",
    "register_type",
    "save_load",
]
__version__ = "0.1.0"
