"""Be told that the machine will be taken away, and save once before it is."""

from __future__ import annotations

import signal
import threading
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
        self._save = save
        self._noted = threading.Event()
        self._saved = False
        self._before = {number: signal.signal(number, self._note) for number in signals}

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        """At the end of a step: whether to stop, after having saved."""
        if not self._noted.is_set():
            return False
        if not self._saved:
            self._save(*args, **kwargs)
            self._saved = True
        return True

    @property
    def noted(self) -> bool:
        """Whether a signal has come."""
        return self._noted.is_set()

    def close(self) -> None:
        """Put the signal handlers of before back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._noted.set()


Preemption.__module__ = "ckpt"
