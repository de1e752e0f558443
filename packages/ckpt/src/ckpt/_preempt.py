"""Be told that the machine will be taken away, and save once before it is."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))


class Preemption:
    """Called at each step; at the first step after a signal it saves, and says to stop.

    The signals are those that SLURM sends before it takes a job's machine (``SIGTERM``, and
    ``SIGUSR1`` by ``--signal=USR1@60``). The handler itself only takes note: in the middle of a
    step the variables may be half updated.

    Args:
        save: Called once, with the arguments of the step.
        signals: Which signals to take note of.
    """

    def __init__(
        self, save: Callable[..., Any], signals: Sequence[signal.Signals] = SIGNALS
    ) -> None:
        self._save, self._process = save, os.getpid()
        self._noted = False  # no Event: a second signal may come while the first one sets it
        self._saved = False
        self._before: dict[int, Any] = {n: signal.signal(n, self._note) for n in signals}

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        """At the end of a step: whether to stop, after having saved."""
        if not self._noted:
            return False
        if not self._saved:
            self._save(*args, **kwargs)
            self._saved = True
        return True

    @property
    def noted(self) -> bool:
        """Whether a signal has come."""
        return self._noted

    def close(self) -> None:
        """Put the signal handlers of before back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._process:
            self._noted = True
            outer = getattr(self._before.get(number), "__self__", None)
            if isinstance(outer, Preemption):
                outer._note(number, frame)
        elif number == signal.SIGTERM:
            # In a worker forked since: its terminate() ends it. SLURM's USR1 must not, as it is
            # sent to workers too, and the step that is to be finished needs them.
            self.close()
            signal.raise_signal(number)


Preemption.__module__ = "ckpt"
