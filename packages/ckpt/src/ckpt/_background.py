"""Save behind the training's back: copy the values, return, write in a thread of its own."""

from __future__ import annotations

import atexit
import contextvars
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor


class Writer:
    """At most one write at a time, whose error is raised at the next call."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        self._thread = 0
        self._write: Future[None] | None = None
        self._error: BaseException | None = None

    def __reduce__(self) -> tuple[type[Writer], tuple[()]]:
        return Writer, ()  # what is under way here is none of a copy's

    def start(self, write: Callable[[], None]) -> None:
        """Begin a write, when the one before it is done.

        Raises:
            BaseException: What went wrong with the one before; then nothing was begun.
        """
        self.wait()
        from concurrent.futures import ThreadPoolExecutor  # imports logging

        if self._pool is None or self._process != os.getpid():  # a fork leaves threads behind
            # One thread for all writes: to start one takes longer than to copy a small model.
            # The interpreter waits for its work at exit.
            self._pool = ThreadPoolExecutor(1, "ckpt-background")
            self._process = os.getpid()
        context = contextvars.copy_context()  # a run that records what is saved finds itself
        unfinished.add(self)
        self._write = self._pool.submit(self._run, context, write)

    def wait(self) -> None:
        """Wait for the write under way.

        Raises:
            BaseException: What went wrong with it.
        """
        self.join()
        error = self._take_error()
        if error is not None:
            raise error

    def join(self) -> None:
        """Wait, and leave an error to :meth:`wait`."""
        write = self._write
        if write is None or self._thread == threading.get_ident():
            return
        error = write.exception() if self._process == os.getpid() else None
        if self._write is write:
            self._write, self._error = None, error

    def _run(self, context: contextvars.Context, write: Callable[[], None]) -> None:
        self._thread = threading.get_ident()
        context.run(write)
        unfinished.discard(self)

    def report(self) -> None:
        """Show an error that nobody has asked for."""
        self.join()
        error = self._take_error()
        if error is not None:
            print("ckpt: the last save in the background failed:", file=sys.stderr)  # noqa: T201
            sys.excepthook(type(error), error, error.__traceback__)

    def _take_error(self) -> BaseException | None:
        unfinished.discard(self)
        error, self._error = self._error, None
        return error


unfinished: set[Writer] = set()
"""Those that write, or failed and have not said so yet, though nobody may hold them any more."""


def finish_all() -> None:
    """Wait for every write under way in this process."""
    for writer in list(unfinished):
        writer.join()


@atexit.register
def _report_all() -> None:
    for writer in list(unfinished):
        writer.report()
