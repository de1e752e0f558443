"""What the benchmark of savethat found, beside its goals."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from savethat_bench import uploads

EMPTY_PYTHON_MS = 12
GOALS_MS = {
    "savethat --help": 60,
    "savethat nodes": 60,
    "savethat ls": 60,
    "savethat run (empty node)": 220,
    "savethat ls, many runs": 100,
    "savethat ls --completed, many runs": 100,
    "find_runs, many runs (in a process)": 100,
}
"""CPU milliseconds on a machine whose empty Python takes 12."""
PUT_GOAL, FILES_GOAL_S = 1.15, 5.0


def cpu_table(times: dict[str, list[float]]) -> list[str]:
    """CPU milliseconds of each case, beside the goals."""
    base, run = times["empty Python"], times["savethat run (empty node)"]
    speed = EMPTY_PYTHON_MS / statistics.median(base)
    lines = [
        f"CPU time in ms. Goals are for a machine whose empty Python takes {EMPTY_PYTHON_MS} ms; "
        "*there* is the median as it would be on that machine.",
        "",
        "| case | median | least | times our empty run | there | goal |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name, found in times.items():
        middle = statistics.median(found)
        ours = statistics.median(a / b for a, b in zip(found, run, strict=True))
        goal = GOALS_MS.get(name)
        told = "" if goal is None else f"{goal}: {held(middle * speed, goal)}"
        lines.append(
            f"| {name} | {middle:.0f} | {min(found):.0f} | {ours:.2f} "
            f"| {middle * speed:.0f} | {told} |"
        )
    return lines


def held(found: float, goal: float) -> str:
    return "held" if found <= goal else "missed"


def upload_table(megabytes: int, files: int) -> list[str]:
    """Wall-clock seconds of uploads, beside the goals."""
    place = uploads.MEMORY if uploads.MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        large = uploads.large_file(Path(scratch), 5, megabytes * 1_000_000)
        small = uploads.small_files(Path(scratch), 3, files)
    ratio, checked = (
        statistics.median(a / b for a, b in zip(large["savethat"], large[name], strict=True))
        for name in ("raw", "checked")
    )
    return [
        "Uploads to a B2 service on the loopback interface, in seconds of the wall clock. A raw "
        "PUT is one request without any digest on the client's side; one with SHA-1 first "
        "computes what B2 wants to be told. Ratios are the medians of pairs.",
        "",
        "| upload | median | least | goal |",
        "|---|--:|--:|---|",
        f"| {megabytes} MB, raw PUT {middle_and_least(large['raw'])} | |",
        f"| {megabytes} MB, raw PUT with SHA-1 {middle_and_least(large['checked'])} | |",
        f"| {megabytes} MB, savethat {middle_and_least(large['savethat'])} | {PUT_GOAL} times a "
        f"raw PUT: {ratio:.2f}, {held(ratio, PUT_GOAL)}; with SHA-1: {checked:.2f}, "
        f"{held(checked, PUT_GOAL)} |",
        f"| {files} files of 4 kB at 100 ms {middle_and_least(small)} "
        f"| {FILES_GOAL_S:.0f} s: {held(statistics.median(small), FILES_GOAL_S)} |",
    ]


def middle_and_least(found: list[float]) -> str:
    return f"| {statistics.median(found):.2f} | {min(found):.2f}"
