"""What goes on beside a run: its heartbeat, and the upload of what it has written so far.

The two are threads of their own, for an upload may take hours, and a run whose heartbeat stops is
held for lost.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from savethat._process import HEARTBEAT_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from savethat._state import RunState

TELL_S = 240
"""The remote is told of a heartbeat after this time, long before others hold the run for lost."""


class Beside:
    """A thread that does something each half minute until it is stopped."""

    def __init__(self, name: str, do: Callable[[], object]) -> None:
        self.over = threading.Event()
        self.do = do
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Begin nothing more, and wait until what was begun is finished or given up."""
        self.over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _repeat(self) -> None:
        while not self.over.wait(HEARTBEAT_S):
            self.do()


class Uploads(Beside):
    """Calls ``upload`` again and again; the event tells it that there is no time left.

    A checkpoint thus reaches the remote at most a heartbeat after it has settled, whatever becomes
    of this machine.
    """

    def __init__(self, upload: Callable[[threading.Event], object]) -> None:
        super().__init__("savethat-uploads", lambda: upload(self.over))


class Heart(Beside):
    """Renews the state of a run while somebody works at it.

    Args:
        folder: The run's folder.
        state: How it is going.
        tell: Tells the remote of a state; called at once, and then every :data:`TELL_S`.
    """

    def __init__(self, folder: Path, state: RunState, tell: Callable[[RunState], object]) -> None:
        super().__init__("savethat-heart", self._beat)
        self.folder, self.state, self.tell = folder, state, tell
        self._told = float("-inf")
        self._lock = threading.Lock()

    def become(self, state: RunState) -> None:
        """Write another state of the run, and renew that one from now on."""
        with self._lock:
            self.state = state
            state.write(self.folder)

    def _repeat(self) -> None:
        self._tell()
        super()._repeat()

    def _beat(self) -> None:
        with self._lock:
            self.state = self.state.beat()
            with suppress(OSError):  # a full disk is the run's to notice
                self.state.write(self.folder)
        self._tell()

    def _tell(self) -> None:
        if time.monotonic() - self._told >= TELL_S:
            self._told = time.monotonic()
            self.tell(self.state)
