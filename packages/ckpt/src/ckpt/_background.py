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
    from contextlib import AbstractContextManager


class Writer:
    """At most one write at a time, whose error is raised at the next call."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        """Begin anew: a fork leaves threads, and what they hold, behind."""
        self._turn: AbstractContextManager[bool] = threading.RLock()
        self._pool: ThreadPoolExecutor | None = None
        self._thread = 0
        self._write: Future[None] | None = None
        self._error: BaseException | None = None
        self._process = os.getpid()  # last: another thread may look now

    @property
    def turn(self) -> AbstractContextManager[bool]:
        """To be held by who begins a write, from the moment that the one before it is done."""
        if self._process != os.getpid():
            self._forget()
        return self._turn

    @property
    def is_writing_here(self) -> bool:
        """Whether the caller is the write itself, or a listener that it called."""
        return self._thread == threading.get_ident()

    def __reduce__(self) -> tuple[type[Writer], tuple[()]]:
        return Writer, ()  # what is under way here is none of a copy's

    def start(self, write: Callable[[], None]) -> None:
        """Begin a write, when the one before it is done.

        Raises:
            BaseException: What went wrong with the one before; then nothing was begun.
        """
        with self.turn:
            self.wait()
            context = contextvars.copy_context()  # a run that records what is saved finds itself
            try:
                if self._pool is None:
                    from concurrent.futures import ThreadPoolExecutor  # imports logging

                    # One thread for all writes: to start one takes longer than to copy a small
                    # model. The interpreter waits for its work at exit.
                    self._pool = ThreadPoolExecutor(1, "ckpt-background")
                unfinished.add(self)
                self._write = self._pool.submit(self._run, context, write)
            except RuntimeError:  # Python exits, or the system has no more threads
                self._pool = None
                unfinished.discard(self)
                self._run(context, write)

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
        if self._process != os.getpid():
            self._forget()
        write = self._write
        if write is None or self.is_writing_here:
            return
        error = write.exception()
        if self._write is write:
            self._write, self._error = None, error

    def _run(self, context: contextvars.Context, write: Callable[[], None]) -> None:
        self._thread = threading.get_ident()
        try:
            context.run(write)
            unfinished.discard(self)
        finally:
            self._thread = 0

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
