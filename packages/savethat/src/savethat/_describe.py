"""What ``find_runs`` tells of the runs that are found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from savethat._find import by_key, no_collection
from savethat._found import fetch
from savethat._index import read_indexed
from savethat._key import date_of_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from savethat._find import Wanted
    from savethat._storage import Storage


def describe(
    storage: Storage, wanted: Wanted, *, remote: bool, absolute: bool
) -> list[dict[str, Any]]:
    """What ``find_runs`` gives for the wanted runs."""
    with no_collection():
        return list(_described(storage, wanted, remote=remote, absolute=absolute))


def _described(
    storage: Storage, wanted: Wanted, *, remote: bool, absolute: bool
) -> Iterator[dict[str, Any]]:
    found = by_key(storage, wanted, remote=remote)
    fetch(found, args=True)
    root = storage.root if absolute else ""
    for run, (state, files, args) in zip(found, read_indexed(found), strict=True):
        if wanted.has_state(state):
            run_key = root + run.key
            prefix = run_key + os.sep
            own: dict[str, Any] = {
                "run_key": run_key,
                "run_date": date_of_time(run.time),
                "run_completed": state == "completed",
                "run_state": state,
                "run_files": [prefix + file for file in files],
            }
            # An argument may have such a name.
            yield {**own, **args} if own.keys().isdisjoint(args) else own | args | own
