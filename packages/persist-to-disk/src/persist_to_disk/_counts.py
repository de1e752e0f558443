"""How often a function's results were used, counted over all processes.

A process adds what it counted when it ends, to the file ``.hits`` of the function's folder:
records of 16 bytes, hits and misses, little-endian. A process that is killed adds nothing.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from persist_to_disk._guard import PRIVATE_FILE
from persist_to_disk._open_files import open_file
from persist_to_disk._reading import BINARY

if TYPE_CHECKING:
    from pathlib import Path

    from persist_to_disk._results import Results

log = logging.getLogger("persist_to_disk")

FILE = ".hits"
_RECORD = Struct("<QQ")

_all: WeakSet[Results] = WeakSet()


class Counts(NamedTuple):
    """Over all processes that ended."""

    hits: int
    misses: int


def count(results: Results) -> None:
    """Add the hits and misses of a function to its file when this process ends."""
    if not _all:
        # A worker process of multiprocessing ends without what atexit does.
        _finalize_worker()
    _all.add(results)


def add_counts(folder: Path, hits: int, misses: int) -> None:
    """Add to the counts of a function, if it has a folder and this may be written to."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY
        descriptor = open_file(folder / FILE, flags, PRIVATE_FILE)
        try:
            os.write(descriptor, _RECORD.pack(hits, misses))
        finally:
            os.close(descriptor)
    except OSError as error:
        log.debug("%s: not counted: %s", folder, error)


def read_counts(folder: Path) -> Counts:
    """Return the counts of a function, by its folder."""
    try:
        data = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return Counts(0, 0)
    records = list(_RECORD.iter_unpack(data[: len(data) // _RECORD.size * _RECORD.size]))
    return Counts(sum(hits for hits, _ in records), sum(misses for _, misses in records))


@atexit.register
def _add_all() -> None:
    for results in list(_all):
        results.add_counts()


def _begin_anew() -> None:
    """Leave what the parent process counted to it."""
    for results in list(_all):
        results.forget_counts()
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.register_after_fork(_begin_anew, lambda _: _finalize_worker())


def _finalize_worker() -> None:
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _add_all, exitpriority=10)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
