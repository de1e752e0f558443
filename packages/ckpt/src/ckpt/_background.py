"""Save behind the training's back: copy the values, return, write in a thread of its own."""

from __future__ import annotations

import atexit
import contextvars
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np

from ckpt._collection import VarCollection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ckpt._dtypes import Array

ALIGN = 64


class Snapshot:
    """Copies of arrays in one buffer, which is used again: pages that are there copy faster."""

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)

    def take(self, arrays: Mapping[str, Array]) -> VarCollection:
        """Copy arrays; the copies hold until the next call."""
        places: list[int] = []
        total = 0
        for array in arrays.values():
            places.append(total)
            total += -(-array.nbytes // ALIGN) * ALIGN
        if self._buffer.nbytes < total or self._buffer.nbytes > 4 * total + (1 << 20):
            self._buffer = np.empty(total, np.uint8)
        copies: dict[str, Array] = {}
        for place, (name, array) in zip(places, arrays.items(), strict=True):
            fortran = array.flags.f_contiguous and not array.flags.c_contiguous
            copy: Array = np.ndarray(
                array.shape, array.dtype, self._buffer, place, order="F" if fortran else "C"
            )
            np.copyto(copy, array)
            copies[name] = copy
        return VarCollection(copies)


class Writer:
    """At most one write at a time, whose error is raised at the next call."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        atexit.register(_report_at_exit, weakref.ref(self))

    def start(self, write: Callable[[], None]) -> None:
        """Begin a write, when the one before it is done.

        Raises:
            BaseException: What went wrong with the one before; then nothing was begun.
        """
        self.wait()
        context = contextvars.copy_context()  # a run that records what is saved finds itself
        # No daemon: the interpreter waits for it at exit.
        self._thread = threading.Thread(target=context.run, args=(self._run, write), name="ckpt")
        self._thread.start()
        in_flight.add(self)

    def wait(self) -> None:
        """Wait for the write under way.

        Raises:
            BaseException: What went wrong with it.
        """
        self.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def join(self) -> None:
        """Wait, and leave an error to :meth:`wait`."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None

    def report(self) -> None:
        """Show an error that nobody has asked for."""
        self.join()
        error, self._error = self._error, None
        if error is not None:
            print("ckpt: the last save in the background failed:", file=sys.stderr)  # noqa: T201
            sys.excepthook(type(error), error, error.__traceback__)

    def _run(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:  # noqa: BLE001, RUF100 -- raised again by wait()
            self._error = error


in_flight: weakref.WeakSet[Writer] = weakref.WeakSet()


def finish_all() -> None:
    """Wait for every write under way in this process."""
    for writer in list(in_flight):
        writer.join()


def _report_at_exit(reference: weakref.ref[Writer]) -> None:
    writer = reference()
    if writer is not None:
        writer.report()
