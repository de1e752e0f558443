"""Atomic files, canonical digests and one small storage interface (local, B2, any fsspec URL)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expcore.errors import (
    AccessDenied,
    ExpcoreError,
    IntegrityError,
    InvalidKey,
    KeyExists,
    KeyNotFound,
    MissingExtraError,
    QuotaExceeded,
    StorageUnavailable,
    SyncIncomplete,
    UndigestableError,
    UnknownSchemeError,
)

if TYPE_CHECKING:
    from expcore._atomic import open_atomic, write_file
    from expcore._b2 import B2Storage
    from expcore._canonical import digest
    from expcore._crc import crc32, crc32_combine
    from expcore._digest import digest_bytes, digest_file, digest_tree
    from expcore._flush import flush
    from expcore._folders import make_folders
    from expcore._fsspec import FsspecStorage
    from expcore._local import LocalStorage
    from expcore._memory import MemoryStorage
    from expcore._open import open_storage
    from expcore._opening import open_at_once
    from expcore._pages import anonymous
    from expcore._printable import printable
    from expcore._progress import progress_bar
    from expcore._resolve import register
    from expcore._retry import Retry, RetryingStorage
    from expcore._signal import Signal, SignalWarning
    from expcore._sizes import parse_size
    from expcore._stages import write_stages
    from expcore._storage import Prefix, Stat, Storage
    from expcore._stream import StagedFile, staged
    from expcore._sync import SyncReport, sync_down, sync_up
    from expcore._temporary import sweep
    from expcore._urls import without_credentials

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "B2Storage",
    "ExpcoreError",
    "FsspecStorage",
    "IntegrityError",
    "InvalidKey",
    "KeyExists",
    "KeyNotFound",
    "LocalStorage",
    "MemoryStorage",
    "MissingExtraError",
    "Prefix",
    "QuotaExceeded",
    "Retry",
    "RetryingStorage",
    "Signal",
    "SignalWarning",
    "StagedFile",
    "Stat",
    "Storage",
    "StorageUnavailable",
    "SyncIncomplete",
    "SyncReport",
    "UndigestableError",
    "UnknownSchemeError",
    "anonymous",
    "crc32",
    "crc32_combine",
    "digest",
    "digest_bytes",
    "digest_file",
    "digest_tree",
    "flush",
    "make_folders",
    "open_at_once",
    "open_atomic",
    "open_storage",
    "parse_size",
    "printable",
    "progress_bar",
    "register",
    "staged",
    "sweep",
    "sync_down",
    "sync_up",
    "without_credentials",
    "write_file",
    "write_stages",
]

_HOMES = {
    "B2Storage": "_b2",
    "FsspecStorage": "_fsspec",
    "LocalStorage": "_local",
    "MemoryStorage": "_memory",
    "Prefix": "_storage",
    "Retry": "_retry",
    "RetryingStorage": "_retry",
    "Signal": "_signal",
    "SignalWarning": "_signal",
    "StagedFile": "_stream",
    "Stat": "_storage",
    "Storage": "_storage",
    "SyncReport": "_sync",
    "anonymous": "_pages",
    "crc32": "_crc",
    "crc32_combine": "_crc",
    "digest": "_canonical",
    "digest_bytes": "_digest",
    "digest_file": "_digest",
    "digest_tree": "_digest",
    "flush": "_flush",
    "make_folders": "_folders",
    "open_at_once": "_opening",
    "open_atomic": "_atomic",
    "open_storage": "_open",
    "parse_size": "_sizes",
    "printable": "_printable",
    "progress_bar": "_progress",
    "register": "_resolve",
    "staged": "_stream",
    "sweep": "_temporary",
    "sync_down": "_sync",
    "sync_up": "_sync",
    "without_credentials": "_urls",
    "write_file": "_atomic",
    "write_stages": "_stages",
}
"""Where each name is defined; its module is imported when the name is first used."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"expcore.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
