"""``metrics.jsonl``: numbers over the course of a run, one JSON object a line.

``{"name": "loss", "value": 0.31, "step": 7, "time": "2026-11-21T08:00:17.123456+00:00"}``
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, SupportsFloat

if TYPE_CHECKING:
    from pathlib import Path

METRICS = "metrics.jsonl"


def append_metric(folder: Path, name: str, value: SupportsFloat, step: int | None) -> None:
    """Append one number; a line is written as a whole."""
    time = datetime.now(UTC).isoformat()
    line = {"name": name, "value": float(value), "step": step, "time": time}
    with (folder / METRICS).open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The numbers of a run, in the order they were logged; a torn last line is passed over."""
    try:
        lines = (folder / METRICS).read_text("utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]
