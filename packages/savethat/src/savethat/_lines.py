"""Files of one JSON object a line, which grow while a run goes on.

A line is appended by one write, so a killed run has whole lines and at most one torn last one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def append_line(file: Path, content: Mapping[str, Any]) -> None:
    """Append an object; values that JSON does not know are kept as text."""
    line = json.dumps(dict(content), default=str) + "\n"
    with file.open("ab", buffering=0) as lines:
        lines.write(line.encode())


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file, in order; a torn last line is passed over."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
