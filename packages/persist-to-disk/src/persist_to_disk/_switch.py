"""What one call may do with the cache."""

from __future__ import annotations

from enum import StrEnum
from typing import cast

from persist_to_disk.errors import ConfigError

_INTEGERS = ("nocache", "cache", "recache", "readonly", "checkonly")


class Switch(StrEnum):
    """What one call may do with the cache.

    Also made from its text, and from the integers 0 to 4 of version 0.0.7:

    >>> Switch("recache") is Switch.RECACHE is Switch(2)
    True
    """

    NOCACHE = "nocache"
    """Neither read nor write: call the function."""
    CACHE = "cache"
    """Read the entry; without one, compute and keep it."""
    RECACHE = "recache"
    """Compute, and keep the result in place of what is there."""
    READONLY = "readonly"
    """Read the entry; without one, raise :class:`~persist_to_disk.NotCachedError`."""
    CHECKONLY = "checkonly"
    """Return whether there is an entry, without reading it."""

    @classmethod
    def _missing_(cls, value: object) -> Switch | None:
        if isinstance(value, int) and 0 <= value < len(_INTEGERS):
            return cls(_INTEGERS[value])
        if isinstance(value, str) and value.lower() in _INTEGERS:
            return cls(value.lower())
        return None


def to_switch(value: Switch | str | int) -> Switch:
    """Return the switch of that name or number.

    Raises:
        ConfigError: There is none.
    """
    try:
        return Switch(cast("str", value))
    except ValueError:
        names = ", ".join(repr(str(switch)) for switch in Switch)
        raise ConfigError("the cache switch", value, f"one of {names}") from None


NOCACHE = Switch.NOCACHE
CACHE = Switch.CACHE
RECACHE = Switch.RECACHE
READONLY = Switch.READONLY
CHECKONLY = Switch.CHECKONLY
