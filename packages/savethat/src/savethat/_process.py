"""Which process runs a run, and whether it is still there.

On the same machine this is known from the process itself: its id and when it started, in the same
space of process ids (a container has one of its own). For another machine there is only the
heartbeat: the run's process renews its state every :data:`HEARTBEAT_S` seconds.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

HEARTBEAT_S = 30
LOST_AFTER_S = 600
"""Longer than computers sleep at a stop in the network or a pause of the file system."""


def host() -> str:
    """This computer's name."""
    import socket  # only a run needs it, not the listing of runs

    return socket.gethostname()


def machine() -> str:
    """This machine, boot and space of process ids; equal for processes that can see each other."""
    parts = [host()]
    if sys.platform == "linux":
        for read in (_boot, _namespace):
            try:
                parts.append(read())
            except OSError:
                parts.append("?")
    return " ".join(parts)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 # "pid:[4026531836]" is no path


def started(pid: int) -> str | None:
    """When a process of this machine started, in units of its system; None if it is gone."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        except OSError:
            return None
        # The name, in parentheses, may hold spaces and parentheses itself.
        state, *fields = stat.rpartition(")")[2].split()
        return None if state in "ZX" else fields[18]
    if os.name == "nt":
        return ""  # os.kill(pid, 0) would end the process there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # someone else's, but there
    return ""


def is_alive(where: str, pid: int, start: str, heartbeat: str) -> bool:
    """Whether the process of a run is still there, as far as can be known from here.

    Args:
        where: Its :func:`machine`.
        pid: Its id.
        start: When it :func:`started`.
        heartbeat: The last time it wrote its state.
    """
    if where == machine() and start:
        return started(pid) == start
    return beats(heartbeat)


def beats(heartbeat: str) -> bool:
    """Whether a heartbeat is so young that there may be more."""
    return datetime.now(UTC) - datetime.fromisoformat(heartbeat) < timedelta(seconds=LOST_AFTER_S)
