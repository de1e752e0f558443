"""Read the files of a run, which may be damaged, or come from anyone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def read_file(path: Path) -> bytes:
    """The bytes of a file; a pipe of that name is empty, where others would wait for ever."""
    from expcore import open_at_once

    with open(path, "rb", opener=open_at_once) as file:  # a path's takes no opener
        return file.read() or b""  # None of a pipe that somebody has open


def decode_json(data: bytes | str) -> Any:
    """What JSON says.

    Raises:
        ValueError: It is none, or deeper than Python can follow.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def decode_object(data: bytes | str, **fields: type | tuple[type, ...]) -> dict[str, Any]:
    """The object that JSON says.

    Args:
        data: JSON.
        **fields: The type of each value that must be there.

    Raises:
        ValueError: It is no object, or lacks a value of such a type.
    """
    found = decode_json(data)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 # of JSON, not of Python
    check_fields(found, **fields)
    return found


def check_fields(found: dict[str, Any], **fields: type | tuple[type, ...]) -> None:
    """Raise ``ValueError`` if an object lacks a value of the type that is said."""
    for name, expected in fields.items():
        if not isinstance(found.get(name), expected):
            problem = f"its {name!r} is {str(found.get(name))[:50]!r}"
            raise ValueError(problem)  # noqa: TRY004 # of JSON, not of Python
