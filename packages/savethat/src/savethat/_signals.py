"""SIGTERM and SIGHUP end a run as Ctrl-C does: interrupted, with everything written and uploaded.

Batch systems send SIGTERM some seconds before they kill. Python's default would end the process at
once, and the run would be lost. In a Slurm job SIGUSR1 and SIGUSR2, and a SIGTERM with which the
job is put back into the queue, say that the run is preempted.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from savethat._scheduler import in_slurm, is_requeued

if TYPE_CHECKING:
    from collections.abc import Generator

END, USER = ("SIGTERM", "SIGHUP"), ("SIGUSR1", "SIGUSR2")


def end_signals() -> list[int]:
    """The signals that ask a run to end; a program may use SIGUSR1 and 2 otherwise, a job not."""
    names = (*END, *USER) if in_slurm() or "SUBMITIT_EXECUTOR" in os.environ else END
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


class Terminated(SystemExit):
    """The process was asked to end; its status is 128 plus the signal's number."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum

    @cached_property
    def preempted(self) -> bool:
        """Whether the scheduler takes the machine away, rather than someone ends the run."""
        name = signal.Signals(self.signum).name
        return name in USER or (name == "SIGTERM" and is_requeued())

    def __str__(self) -> str:
        return signal.Signals(self.signum).name


class Termination:
    """What to do with a request to end."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.holding = False
        self.held: int | None = None

    def handle(self, signum: int, _: Any) -> None:
        """Raise :class:`Terminated`; while holding, later."""
        if os.getpid() != self.pid:  # a child process that was forked: not the run's business
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        elif not self.holding:
            self.holding = True  # what comes after is the end, and a second request adds nothing
            raise Terminated(signum)
        else:
            self.held = signum

    @contextmanager
    def hold(self) -> Generator[None]:
        """Let the block come to its end before the process does."""
        requested, self.holding = self.holding, True
        yield
        if not requested:
            self.holding = False
            if self.held is not None:
                raise Terminated(self.held)


@contextmanager
def termination() -> Generator[Termination]:
    """Turn requests to end into an exception during the block.

    Only in the main thread, and only where the program has no handler of its own.
    """
    request = Termination()
    ours = threading.current_thread() is threading.main_thread()
    taken = [s for s in end_signals() if ours and signal.getsignal(s) is signal.SIG_DFL]
    for signum in taken:
        signal.signal(signum, request.handle)
    try:
        yield request
    finally:
        for signum in taken:
            signal.signal(signum, signal.SIG_DFL)
