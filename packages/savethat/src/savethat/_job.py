"""A queued run, as it is handed to the scheduler, and what happens when the job starts.

The job is told by Slurm's signals that its end is near: SIGUSR2 (``submitit``'s choice) or SIGUSR1
some time before it is preempted or its time is over, SIGTERM when it is ended. The run then writes
its state, *preempted*, and uploads what there is; after that ``submitit`` puts the job back into
the queue, and the run goes on in the same folder, where it finds its checkpoints.
"""

from __future__ import annotations

import importlib
import pickle
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from savethat._config import load_config
from savethat._layout import RESULTS
from savethat._signals import USER, Terminated, end_signals
from savethat._state import RunState, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from savethat._config import Config
    from savethat._node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a process on another machine needs to carry out a queued run.

    It is pickled into the folder of jobs, so it holds no credentials: a configuration is loaded
    again.
    """

    key: str
    module: str
    node: str
    args: bytes
    """The pickled arguments; their module must be imported first."""
    config: Config | None
    origin: Mapping[str, Any]
    """What to call :func:`~savethat._config.load_config` with where there is no ``config``."""
    path: list[str]
    """``sys.path`` where the job was submitted."""

    def __call__(self) -> str:
        """Carry out the run, or what is left of it; gives its key.

        Its results are in its folder, and need not be in the scheduler's as well.
        """
        from savethat._log import log_to_stderr
        from savethat._run import carry_out

        log_to_stderr("INFO")
        node = self._make_node()
        with _own_signals() as theirs:
            state = read_state(node.output_dir) or RunState(node=f"{self.module}.{self.node}")
            if (node.output_dir / RESULTS).exists():  # the requeueing came too late
                _upload(node, state)
                return node.key
            state = state.start()
            state.write(node.output_dir)
            try:
                carry_out(node, state)
            except Terminated as error:
                if signal.Signals(error.signum).name in USER:
                    for handler in theirs:  # submitit's puts the job into the queue again
                        handler(error.signum, None)
                raise
        return node.key

    def checkpoint(self) -> Any:
        """What submitit is to start when the job is put into the queue again: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _make_node(self) -> Node[Any, Any]:
        from savethat._storage import Storage

        sys.path += [folder for folder in self.path if folder not in sys.path]
        found: Any = importlib.import_module(self.module)
        for name in self.node.split("."):
            found = getattr(found, name)
        config = self.config or load_config(**self.origin)
        made: Node[Any, Any] = found(self.key, pickle.loads(self.args), Storage(config))
        made._ran = True
        return made


def _upload(node: Node[Any, Any], state: RunState) -> None:
    from savethat._run_sync import RunSync

    ended = state if state.ended else state.end("completed")
    RunSync(node.storage, node.key, ended).finish(ended)


@contextmanager
def _own_signals() -> Generator[list[Callable[[int, Any], object]]]:
    """Let the run handle the signals that end it; gives who handled SIGUSR1 and 2 before."""
    theirs = {number: signal.getsignal(number) for number in end_signals()}
    for number in theirs:
        signal.signal(number, signal.SIG_DFL)
    try:
        users = [theirs[n] for n in theirs if signal.Signals(n).name in USER]
        yield [handler for handler in users if callable(handler)]
    finally:
        for number, handler in theirs.items():
            signal.signal(number, handler)


def job_folder(root: Path) -> Path:
    """Where ``submitit`` keeps its files, below the local storage."""
    return root / ".savethat" / "jobs"
