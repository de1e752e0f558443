"""What the scheduler knows of a run: whether its job waits, and whether it will be started again.

Slurm is asked by its own commands (``squeue``, ``scontrol``). Where they are missing or do not
answer, nothing is known.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from functools import lru_cache

ANSWER_S = 5
"""How long to wait for an answer; a run that is being ended has some ten seconds."""


def in_slurm() -> bool:
    """Whether this process is part of a Slurm job."""
    return "SLURM_JOB_ID" in os.environ


def is_waiting(job: str) -> bool | None:
    """Whether a job is in the queue, or has started; None if that is not known here.

    Args:
        job: ``"slurm NAME"``, or a job of another scheduler.
    """
    scheduler, _, name = job.partition(" ")
    if scheduler != "slurm":
        return None
    names = _names_in_queue(int(time.monotonic()))
    return None if names is None else name in names


@lru_cache(maxsize=1)
def _names_in_queue(_: int) -> frozenset[str] | None:
    """The names of this user's jobs, asked for at most once a second."""
    text = _ask("squeue", "--me", "--noheader", "--format=%j")
    return None if text is None else frozenset(text.splitlines())


def is_requeued() -> bool:
    """Whether Slurm ends this job in order to start it again later.

    Slurm announces the end of a job by SIGTERM, whatever the reason. It counts a restart at once,
    or, where a grace time is left, notes when the job was preempted.
    """
    text = _ask("scontrol", "show", "job", os.environ["SLURM_JOB_ID"]) if in_slurm() else None
    if text is None:
        return False
    restarts = re.search(r"\bRestarts=(\d+)", text)
    counted = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    preempted = re.search(r"\bPreemptTime=(\d+)", text)
    return preempted is not None or (restarts is not None and int(restarts[1]) > counted)


def _ask(command: str, *words: str) -> str | None:
    """What a command of the scheduler prints; None if it cannot say."""
    path = shutil.which(command)
    if path is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 # no shell, our own words
            [path, *words], capture_output=True, text=True, timeout=ANSWER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
