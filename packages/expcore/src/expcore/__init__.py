"""Atomic files, canonical digests and one small storage interface (local, B2, any fsspec URL)."""

from expcore._atomic import open_atomic, sweep, write_file
from expcore._canonical import digest
from expcore._digest import digest_bytes, digest_file, digest_tree
from expcore._local import LocalStorage
from expcore._memory import MemoryStorage
from expcore._open import open_storage
from expcore._progress import progress_bar
from expcore._resolve import register
from expcore._signal import Signal, SignalWarning
from expcore._storage import Prefix, Stat, Storage
from expcore._sync import SyncReport, sync_down, sync_up
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

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "ExpcoreError",
    "IntegrityError",
    "InvalidKey",
    "KeyExists",
    "KeyNotFound",
    "LocalStorage",
    "MemoryStorage",
    "MissingExtraError",
    "Prefix",
    "QuotaExceeded",
    "Signal",
    "SignalWarning",
    "Stat",
    "Storage",
    "StorageUnavailable",
    "SyncIncomplete",
    "SyncReport",
    "UndigestableError",
    "UnknownSchemeError",
    "digest",
    "digest_bytes",
    "digest_file",
    "digest_tree",
    "open_atomic",
    "open_storage",
    "progress_bar",
    "register",
    "sweep",
    "sync_down",
    "sync_up",
    "write_file",
]
