"""Which runs the remote does not have all of: a file for each, named by its key.

The file says which process uploads the run, as JSON, and is empty if none does. When many runs end
at the same time, none of them has to wait for, or repeat, the uploads of the others.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from savethat._process import is_alive, machine, started
from savethat._reading import decode_json
from savethat._state import read_state

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from savethat._files import Files
    from savethat._state import RunState

PENDING = ".savethat/pending"


def _file(storage: Files, key: str) -> Path:
    return storage / PENDING / key.replace("/", "%2F")


def mark(storage: Files, key: str) -> None:
    """Note that the remote does not have all of a run, and that this process will see to it."""
    file = _file(storage, key)
    file.parent.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    file.write_text(json.dumps([machine(), pid, started(pid) or ""]), "utf-8")


def unmark(storage: Files, key: str) -> None:
    """Note that it has, or that there is no such run."""
    _file(storage, key).unlink(missing_ok=True)


def is_pending(storage: Files, key: str) -> bool:
    """Whether a path is in a run that was made here, and of which the remote does not have all."""
    parts = key.split("/")
    keys = ("/".join(parts[: n + 1]) for n in range(len(parts)))
    # Not Path.exists(), which raises for names that are too long: those of deep folders may be.
    return any(os.path.exists(_file(storage, key)) for key in keys)  # noqa: PTH110


@contextmanager
def uploading(storage: Files, key: str) -> Generator[None]:
    """Keep other processes from uploading a run at the same time."""
    with suppress(OSError):  # a full disk
        mark(storage, key)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.truncate(_file(storage, key), 0)
        raise


def pending(storage: Files) -> list[str]:
    """The keys of the runs that are over, and that nobody uploads to the end."""
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
        elif not state.goes_on and not _is_uploaded(storage, key, state):
            found.append(key)
    return found


def _is_uploaded(storage: Files, key: str, state: RunState) -> bool:
    """Whether a process that is alive, as far as can be known from here, uploads the run."""
    try:
        where, pid, start = decode_json(_file(storage, key).read_bytes())
    except (OSError, ValueError, TypeError):  # done meanwhile; empty
        return False
    return is_alive(where, pid, start, state.heartbeat)
