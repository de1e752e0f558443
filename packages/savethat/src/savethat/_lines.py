"""Files of one JSON object a line, which grow while a run goes on.

A line is appended by one write, so a killed run has whole lines and at most one torn last one.
"""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from savethat._reading import decode_object, read_file
from savethat.errors import SavethatWarning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import FileIO
    from pathlib import Path


def append_line(file: Path, content: Mapping[str, Any]) -> None:
    """Append an object; values that JSON does not know are kept as text.

    Raises:
        OSError: It cannot be written; what is there of it is a line that readers pass over.
    """
    line = (json.dumps(dict(content), default=str) + "\n").encode()
    with file.open("ab", buffering=0) as lines:
        write_line(lines, line)


def write_line(lines: FileIO, line: bytes) -> None:
    """Write a line, or several, to the end of a file that is open without a buffer.

    Raises:
        OSError: It cannot be written, or not all of it.
    """
    written = lines.write(line) or 0
    if written < len(line):  # the disk is full, and says so when asked again
        try:
            lines.write(line[written:])
        finally:
            with suppress(OSError):  # so that the next line begins anew, if it can
                lines.write(b"\n")


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file, in order.

    A torn last line is passed over, and so, with a warning, is one that is no object.
    """
    found: list[dict[str, Any]] = []
    *lines, _ = read_file(file).split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            found.append(decode_object(line))
        except ValueError as error:
            text = f"line {number} of {file} is passed over: {error}"
            warnings.warn(text, SavethatWarning, stacklevel=4)
    return found
