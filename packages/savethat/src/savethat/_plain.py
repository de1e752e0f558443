"""Plain data for JSON, of the values of arguments."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
from pathlib import Path, PurePath
from typing import Any

from savethat._secret import HIDDEN, Secret


def to_data(value: Any) -> Any:
    """Plain data, from which :func:`~savethat._values.from_data` makes the value again."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_data(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init
        }
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Secret):
        return HIDDEN
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, PurePath):
        return value.as_posix() if isinstance(value, Path) else str(value)
    if isinstance(value, collections.abc.Mapping):
        return {str(to_data(k)): to_data(v) for k, v in value.items()}
    if isinstance(value, collections.abc.Set):
        return sorted((to_data(item) for item in value), key=str)
    if isinstance(value, collections.abc.Sequence) and not isinstance(value, bytes | bytearray):
        return [to_data(item) for item in value]
    return str(value)
