"""What settings and parameters must be, refused early if they are not."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast, get_args

from persist_to_disk.errors import ConfigError

LockGranularity: TypeAlias = Literal["call", "func", "global"]
LONGEST_INTERVAL_S = 60


def check_interval(found: float | str, where: str) -> float:
    """Return the number if it is one of seconds, 0 allowed.

    Raises:
        ConfigError: It is not.
    """
    try:
        seconds = float(found)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_INTERVAL_S:
        raise ConfigError(where, found, f"seconds from 0 to {LONGEST_INTERVAL_S}")
    return seconds


def check_positive(found: object, where: str) -> int:
    """Return the number if it is a positive integer.

    Raises:
        ConfigError: It is not.
    """
    try:
        number = int(cast("int | str", found))
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise ConfigError(where, found, "an integer of at least 1")
    return number


def check_granularity(found: str, where: str) -> LockGranularity:
    """Return the word if it is one of the three.

    Raises:
        ConfigError: It is not.
    """
    if found not in get_args(LockGranularity):
        raise ConfigError(where, found, "'call', 'func' or 'global'")
    return cast("LockGranularity", found)
