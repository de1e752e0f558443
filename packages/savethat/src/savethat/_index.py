"""Remember what finished runs hold, so that thousands are described without opening their files.

``.savethat/index.json`` in the local storage is ``{"format": 2, "files": [[name, …], …], "runs":
{key: [mtime, below, state, number, args]}}``, where ``number`` says which of the lists of files is
the run's; most runs have the same. It is a cache and may be deleted at any time. An entry holds as
long as neither the run's folder (``mtime``, in nanoseconds) nor the folders in it (``below``: such
times by their paths) have changed, which adding, removing and replacing a file do. A run that is
going on, and a folder that has changed so lately that the
next change could bear the same time, are not remembered.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from savethat._found import Found

INDEX = ".savethat/index.json"
FORMAT = 2
SETTLED_NS = 2_000_000_000
WORTH_WRITING = 64
"""So many runs that are not remembered yet are worth writing the file anew."""
OVER = ("completed", "failed", "interrupted", "preempted")

Facts = tuple[str, list[str], dict[str, Any]]
"""State, files and arguments of a run."""


Entry = tuple[int, dict[str, int], str, list[str], dict[str, Any]]
"""What is remembered of a run: mtime, mtimes below, state, files, args."""


def read_indexed(found: Sequence[Found]) -> Iterator[Facts]:
    """State, files and arguments of each run, in order."""
    if len(found) < WORTH_WRITING:
        yield from ((run.state, run.files, run.args) for run in found)
        return
    root = found[0].storage.storage_path
    base = found[0].storage.root
    known, new = _read(root / INDEX), 0
    for run in found:
        entry = known.get(run.key) if run.local else None
        if entry is not None and _holds(base + run.key, entry):
            yield entry[2], entry[3], entry[4]
            continue
        # The times first: what changes while the files are read makes the entry void.
        mtimes = _mtimes(base + run.key) if run.local else {}
        facts = run.state, run.files, run.args
        yield facts
        if facts[0] in OVER and mtimes and max(mtimes.values()) < time.time_ns() - SETTLED_NS:
            known[run.key] = (mtimes.pop(""), mtimes, *facts)
            new += 1
    if new >= WORTH_WRITING:
        _write(root / INDEX, known)


def _read(file: Path) -> dict[str, Entry]:
    try:
        content = json.loads(file.read_bytes())
        if content["format"] != FORMAT:
            return {}
        lists = content["files"]
        return {
            key: (mtime, below, state, lists[number], args)
            for key, (mtime, below, state, number, args) in content["runs"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # it is only a cache


def _write(file: Path, known: dict[str, Entry]) -> None:
    from expcore import write_file

    there = set(os.listdir(file.parent.parent))  # noqa: PTH208 # names only
    numbers: dict[tuple[str, ...], int] = {}
    runs = {
        key: (mtime, below, state, numbers.setdefault(tuple(files), len(numbers)), args)
        for key, (mtime, below, state, files, args) in known.items()
        if key in there
    }
    content = {"format": FORMAT, "files": list(numbers), "runs": runs}
    data = json.dumps(content, separators=(",", ":")).encode()
    with suppress(OSError):  # a disk that is full or not ours loses nothing but time
        file.parent.mkdir(exist_ok=True)
        write_file(file, data)


def _holds(folder: str, entry: Entry) -> bool:
    try:
        if os.stat(folder).st_mtime_ns != entry[0]:  # noqa: PTH116 # thousands of times
            return False
        for path, mtime in entry[1].items():
            if os.stat(f"{folder}/{path}").st_mtime_ns != mtime:  # noqa: PTH116
                return False
    except OSError:
        return False
    return True


def _mtimes(folder: str, path: str = "") -> dict[str, int]:
    """When each folder of a run has changed, by its path in the run."""
    here = f"{folder}{os.sep}{path}" if path else folder
    times = {path: os.stat(here).st_mtime_ns}  # noqa: PTH116 # thousands of times
    with os.scandir(here) as entries:
        below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in below:
        times |= _mtimes(folder, f"{path}/{name}" if path else name)
    return times
