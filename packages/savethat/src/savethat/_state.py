"""The state of a run: ``state.json`` in its folder.

::

    {"state": "running",                  "completed", "failed" or "interrupted"
     "id": "9f…",                         of this run alone, whatever its key
     "node": "my_project.fit_ols.FitOLS",
     "started": "2026-11-21T08:00:17.123456+00:00",
     "ended": null,
     "host": "gpu3", "pid": 4242,
     "error": null,                       "ValueError: …" of a run that failed
     "synced": true}                      false: the remote does not have all of it yet

The file is replaced as a whole at each change. It tells how a run is going; that a run is
*completed* is told by its ``results.pickle``, which is written whole or not at all.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

STATE = "state.json"
RESULTS = "results.pickle"


def _now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How a run is going."""

    state: str = "running"
    node: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    started: str = field(default_factory=_now)
    ended: str | None = None
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    error: str | None = None
    synced: bool = True

    def end(self, state: str, error: BaseException | None = None) -> Self:
        """The same run, over."""
        text = None if error is None else f"{type(error).__name__}: {error}"
        return replace(self, state=state, ended=_now(), error=text)

    def encode(self) -> bytes:
        """The bytes of ``state.json``."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    def write(self, folder: Path) -> None:
        """Replace the state in a run's folder."""
        from expcore import write_file

        write_file(folder / STATE, self.encode())


def decode_state(data: bytes) -> RunState:
    """Read ``state.json``; what a later version added is passed over."""
    known = {f.name for f in fields(RunState)}
    content: dict[str, Any] = json.loads(data)
    return RunState(**{name: value for name, value in content.items() if name in known})


def read_state(folder: Path) -> RunState | None:
    """The state of the run in a folder; None for a run of a version that wrote none."""
    try:
        return decode_state((folder / STATE).read_bytes())
    except FileNotFoundError:
        return None
