"""Seconds, in turns; and what is done to files in between."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def drop(path: Path) -> None:
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def race(
    entries: dict[str, Callable[[], object]],
    rounds: int,
    before: Callable[[str], object] = lambda _: None,
    *,
    unmeasured: int = 0,
) -> dict[str, float]:
    """Return the median seconds of each, in turns, after some rounds that only warm up."""
    times: dict[str, list[float]] = {name: [] for name in entries}
    names = list(entries)
    for turn in range(-unmeasured, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            before(name)
            start = time.perf_counter()
            entries[name]()
            if turn >= 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
