"""The state of a run: ``state.json`` in its folder.

::

    {"state": "running",                  see below
     "id": "9f…",                         of this run alone, whatever its key
     "node": "my_project.fit_ols.FitOLS",
     "started": "2026-11-21T08:00:17.123456+00:00",
     "heartbeat": "2026-11-21T08:04:47.123456+00:00",   renewed every half minute
     "ended": null,
     "host": "gpu3", "pid": 4242,
     "machine": "gpu3 …", "process": "12345",           to tell this process from another
     "error": null,                       "ValueError: …" of a run that failed
     "job": "slurm FitOLS_2026-…",        scheduler and name of the job, of a submitted run
     "pending_sync": false}               true: the remote does not have all of it yet

The states are *queued* and *running*, then *completed*, *failed* or *interrupted* (Ctrl-C,
SIGTERM), or *preempted* by a scheduler, which may start it again. *lost* is never written: it is
said of a run that is *running* by its file while its process is gone, or *queued* while its job
is. The file is replaced as a whole at each change.
That a run is *completed* is told by its ``results.pickle`` alone, which is written whole or not at
all.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from types import NoneType
from typing import TYPE_CHECKING, Self

from savethat._layout import GOING_ON, STATE
from savethat._process import beats, host, is_alive, machine, started
from savethat._reading import check_fields, decode_object, read_file
from savethat.errors import BrokenRun

if TYPE_CHECKING:
    from pathlib import Path


def _now() -> str:
    return datetime.now(UTC).isoformat()


_KINDS: dict[str, type | tuple[type, ...]] = {
    "pid": int,
    "pending_sync": bool,
    "ended": (str, NoneType),
    "error": (str, NoneType),
}
"""The types of what is no text in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How a run is going."""

    state: str = "running"
    id: str = field(default_factory=lambda: os.urandom(8).hex())
    node: str = ""
    started: str = field(default_factory=_now)
    heartbeat: str = field(default_factory=_now)
    ended: str | None = None
    host: str = field(default_factory=host)
    pid: int = field(default_factory=os.getpid)
    machine: str = field(default_factory=machine)
    process: str = field(default_factory=lambda: started(os.getpid()) or "")
    error: str | None = None
    job: str = ""
    pending_sync: bool = False

    def beat(self) -> Self:
        """The same run, seen alive now."""
        return replace(self, heartbeat=_now())

    def start(self) -> Self:
        """The same run, running in this process from now on."""
        here = RunState()
        names = ("state", "started", "heartbeat", "ended", "host", "pid", "machine", "process")
        facts = {name: getattr(here, name) for name in (*names, "error")}
        return replace(self, **facts)

    def end(self, state: str, error: str | None = None) -> Self:
        """The same run, over."""
        return replace(self, state=state, heartbeat=_now(), ended=_now(), error=error)

    @property
    def now(self) -> str:
        """The state as it can be seen from here: *lost* if the process or the job is gone."""
        if self.state == "queued" and not self._is_waiting(unknown=beats(self.heartbeat)):
            return "lost"
        if self.state == "running" and not is_alive(
            self.machine, self.pid, self.process, self.heartbeat
        ):
            return "lost"
        return self.state

    @property
    def goes_on(self) -> bool:
        """Whether the run is going on, or will."""
        if self.state == "preempted":
            return bool(self.job) and self._is_waiting(unknown=False)
        return self.now in GOING_ON

    @property
    def is_arriving(self) -> bool:
        """Whether the rest of a remote run that is over is still being uploaded."""
        return self.ended is not None and self.pending_sync and beats(self.heartbeat)

    def _is_waiting(self, *, unknown: bool) -> bool:
        from savethat._scheduler import is_waiting  # few runs are queued

        waiting = is_waiting(self.job)
        if waiting is None:  # no news of Slurm's queue here is no bad news
            return unknown or (self.state == "queued" and self.job.startswith("slurm "))
        return waiting

    def encode(self) -> bytes:
        """The bytes of ``state.json``."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    def write(self, folder: Path) -> None:
        """Replace the state in a run's folder."""
        from expcore import write_file

        write_file(folder / STATE, self.encode())


def decode_state(data: bytes) -> RunState:
    """Read ``state.json``; what a later version added is passed over.

    Raises:
        ValueError: The bytes are no state.
    """
    content = decode_object(data)
    known = {f.name: content[f.name] for f in fields(RunState) if f.name in content}
    check_fields(known, **{name: _KINDS.get(name, str) for name in known})
    state = RunState(**known)
    if datetime.fromisoformat(state.heartbeat).tzinfo is None:
        raise ValueError(f"its 'heartbeat' is {state.heartbeat!r}, which is in no time zone")
    return state


def read_state(folder: Path) -> RunState | None:
    """The state of the run in a folder; None for a run of a version that wrote none.

    Raises:
        BrokenRun: The file holds no state.
    """
    try:
        return decode_state(read_file(folder / STATE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, IsADirectoryError) as error:
        raise BrokenRun(folder.name, STATE, str(error)) from error
