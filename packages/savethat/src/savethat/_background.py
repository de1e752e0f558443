"""What goes on beside a run: its heartbeat, and the upload of what it has written so far."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from savethat._process import HEARTBEAT_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from savethat._state import RunState


class Background:
    """A thread that renews a run's state, and calls ``upload`` each time it does.

    A checkpoint thus reaches the remote at most a heartbeat after it was written, whatever
    becomes of this machine.
    """

    def __init__(
        self, folder: Path, state: RunState, upload: Callable[[threading.Event], object] | None
    ) -> None:
        self.folder, self.state, self.upload = folder, state, upload
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="savethat-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Come to an end; an upload that has begun is finished or given up first."""
        self._over.set()
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        first = True
        while first or not self._over.wait(HEARTBEAT_S):
            if not first:
                self.state = self.state.beat()
                with suppress(OSError):  # a full disk is the run's to notice
                    self.state.write(self.folder)
            first = False
            if self.upload is not None and not self._over.is_set():
                self.upload(self._over)
