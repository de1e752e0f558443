"""Which runs the remote does not have all of: an empty file for each, named by its key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from savethat._state import read_state

if TYPE_CHECKING:
    from savethat._files import Files

PENDING = ".savethat/pending"


def mark(storage: Files, key: str) -> None:
    """Note that the remote does not have all of a run."""
    folder = storage / PENDING
    folder.mkdir(parents=True, exist_ok=True)
    (folder / key.replace("/", "%2F")).touch()


def unmark(storage: Files, key: str) -> None:
    """Note that it has, or that there is no such run."""
    (storage / PENDING / key.replace("/", "%2F")).unlink(missing_ok=True)


def pending(storage: Files) -> list[str]:
    """The keys of the runs that are over, and that the remote does not have all of."""
    try:
        names = sorted(os.listdir(storage / PENDING))  # noqa: PTH208 # names only
    except FileNotFoundError:
        return []
    found: list[str] = []
    for name in names:
        key = name.replace("%2F", "/")
        try:
            state = read_state(storage / key)
        except ValueError:  # whoever uploads it will say what is wrong
            found.append(key)
            continue
        if state is None:
            unmark(storage, key)  # it was removed
        elif not state.goes_on:
            found.append(key)
    return found
