"""What a function was decorated with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from persist_to_disk.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from persist_to_disk._checks import LockGranularity
    from persist_to_disk._switch import Switch

HashMethod: TypeAlias = Literal["pickle", "json"]
Track: TypeAlias = Literal["closure"]
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a function was decorated with; None means the setting of ``config``."""

    hashsize: int | None
    skip: Sequence[str]
    expand: Sequence[str] | str
    groupby: Sequence[str | tuple[str, ...]]
    switch_kwarg: str | None
    cache: Switch | None
    lock_granularity: LockGranularity | None
    hash_method: HashMethod
    local: bool
    alt_dirs: tuple[Path, ...]
    cache_exceptions: tuple[type[Exception], ...]
    track: Track | None
    ttl_s: float | None
    max_bytes: int | None
    version: str | None
    trust: bool


def seconds(duration: float | str | None, where: str) -> float | None:
    """Return a duration in seconds.

    Args:
        duration: Seconds, or a number with a unit: s, m, h, d or w.
        where: Named in the error.

    Raises:
        ConfigError: It is something else, or not more than 0.

    >>> seconds("1d", "ttl"), seconds(90, "ttl")
    (86400.0, 90.0)
    """
    if duration is None:
        return None
    match = re.fullmatch(r"\s*([0-9.]+)\s*([smhdw]?)\s*", str(duration))
    try:
        found = float(match[1]) * UNITS_S[match[2] or "s"] if match else 0.0
    except ValueError:
        found = 0.0
    if found <= 0:
        raise ConfigError(where, duration, "seconds above 0, or like '90s', '15m', '12h', '1d'")
    return found
