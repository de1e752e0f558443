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
    from collections.abc import Iterator, Mapping, Sequence
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
Entry = list[Any]
"""What is remembered of a run, as in the file."""


def read_indexed(found: Sequence[Found]) -> Iterator[Facts]:
    """State, files and arguments of each run, in order."""
    if len(found) < WORTH_WRITING:
        yield from ((run.state, run.files, run.args) for run in found)
        return
    file, base = found[0].storage / INDEX, found[0].storage.root
    lists, known = _read(file)
    new: dict[str, tuple[int, dict[str, int], Facts]] = {}
    for run in found:
        folder = base + run.key
        try:
            mtime, below, state, number, args = known[run.key]
            holds = os.stat(folder).st_mtime_ns == mtime  # noqa: PTH116 # thousands of times
            if holds and (not below or _hold(folder, below)):
                yield state, lists[number], args
                continue
        except (LookupError, OSError, TypeError, ValueError):  # not remembered, only remote, ...
            pass
        # The times first: what changes while the files are read makes the entry void.
        mtimes = _mtimes(folder) if run.local else {}
        facts = run.state, run.files, run.args
        yield facts
        if facts[0] in OVER and mtimes and max(mtimes.values()) < time.time_ns() - SETTLED_NS:
            new[run.key] = mtimes.pop(""), mtimes, facts
    if len(new) >= WORTH_WRITING:
        _write(file, lists, known, new)


def _hold(folder: str, below: dict[str, int]) -> bool:
    """Whether no folder in a run has changed."""
    times = (os.stat(f"{folder}/{path}").st_mtime_ns == at for path, at in below.items())  # noqa: PTH116
    return all(times)


def _read(file: Path) -> tuple[list[list[str]], dict[str, Entry]]:
    """The lists of files, and what is remembered of each run."""
    try:
        content = json.loads(file.read_bytes())
        if content["format"] == FORMAT:
            return content["files"], content["runs"]
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return [], {}  # it is only a cache


def _write(
    file: Path,
    lists: list[list[str]],
    known: dict[str, Entry],
    new: Mapping[str, tuple[int, dict[str, int], Facts]],
) -> None:
    from expcore import write_file

    there = set(os.listdir(file.parent.parent))  # noqa: PTH208 # names only
    numbers = {tuple(files): number for number, files in enumerate(lists)}
    runs = {key: entry for key, entry in known.items() if key in there}
    for key, (mtime, below, (state, files, args)) in new.items():
        number = numbers.setdefault(tuple(files), len(numbers))
        runs[key] = [mtime, below, state, number, args]
    content = {"format": FORMAT, "files": list(numbers), "runs": runs}
    data = json.dumps(content, separators=(",", ":")).encode()
    with suppress(OSError):  # a disk that is full or not ours loses nothing but time
        file.parent.mkdir(exist_ok=True)
        write_file(file, data)


def _mtimes(folder: str, path: str = "") -> dict[str, int]:
    """When each folder of a run has changed, by its path in the run."""
    here = f"{folder}{os.sep}{path}" if path else folder
    times = {path: os.stat(here).st_mtime_ns}  # noqa: PTH116 # thousands of times
    with os.scandir(here) as entries:
        below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in below:
        times |= _mtimes(folder, f"{path}/{name}" if path else name)
    return times
