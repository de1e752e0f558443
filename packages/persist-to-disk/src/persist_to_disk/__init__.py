"""A disk-memoising decorator for expensive results, safe across processes.

>>> import persist_to_disk as ptd
>>> @ptd.persistf()
... def square(x):
...     return x * x
>>> square(12), square(x=12)
(144, 144)
"""

from persist_to_disk._clear_locks import clear_locks
from persist_to_disk._config import Config, config
from persist_to_disk._events import EntryUsed, used
from persist_to_disk._manual import get_caller_cache_path, manual_cache
from persist_to_disk._memo import CacheInfo
from persist_to_disk._persisted import Persisted
from persist_to_disk._persistf import persistf
from persist_to_disk._switch import CACHE, CHECKONLY, NOCACHE, READONLY, RECACHE, Switch
from persist_to_disk._uploads import wait_for_uploads
from persist_to_disk.errors import (
    ConfigError,
    NotCachedError,
    PersistError,
    PersistWarning,
    UnkeyableArgumentError,
    UnkeyableFunctionError,
    UnsafePathError,
)

__version__ = "0.1.0"

__all__ = [
    "CACHE",
    "CHECKONLY",
    "NOCACHE",
    "READONLY",
    "RECACHE",
    "CacheInfo",
    "Config",
    "ConfigError",
    "EntryUsed",
    "NotCachedError",
    "PersistError",
    "PersistWarning",
    "Persisted",
    "Switch",
    "UnkeyableArgumentError",
    "UnkeyableFunctionError",
    "UnsafePathError",
    "clear_locks",
    "config",
    "get_caller_cache_path",
    "manual_cache",
    "persistf",
    "used",
    "wait_for_uploads",
]
