"""Listen to what is printed, while it goes on to where it goes."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Listener = Callable[[str, str], None]
    """Takes the name of the stream and a line without its end."""

_listeners: list[Listener] = []
_installed: dict[str, Tee] = {}
_lock = threading.RLock()


class _Line(threading.local):  # threads print at the same time
    """What a thread has printed since its last whole line, which may be a million dots."""

    def __init__(self) -> None:
        self.pieces: list[str] = []


class Tee:
    """A text stream that passes everything on, and tells the listeners of whole lines."""

    def __init__(self, name: str, stream: Any) -> None:
        self.name, self.stream = name, stream
        self._line = _Line()

    def write(self, text: str) -> int:
        """Tell of whole lines, and pass the text on."""
        self._line.pieces.append("" + text)  # refuses bytes, with which libraries try streams
        if "\n" in text or "\r" in text:
            *lines, rest = "".join(self._line.pieces).split("\n")
            # A progress bar goes back to the start of its line: only what is left there is kept.
            self._line.pieces = [rest if rest.endswith("\r") else rest.rpartition("\r")[2]]
            for line in lines:
                for listen in _listeners:
                    listen(self.name, line.removesuffix("\r").rpartition("\r")[2])
        written: int = self.stream.write(text)
        return written

    def rest(self) -> str:
        """What this thread has printed since its last whole line."""
        return "".join(self._line.pieces).removesuffix("\r").rpartition("\r")[2]

    def writelines(self, lines: Any) -> None:
        """Pass lines on."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> Any:
        return iter(self.stream)


@contextmanager
def captured(listener: Listener) -> Generator[None]:
    """Call ``listener(stream, line)`` for each line printed during the block.

    What is printed by Python's own streams, that is: what a library in C or a child process writes
    goes to the terminal alone.
    """
    with _lock:
        if not _listeners:
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if stream is not None:  # there is none under pythonw
                    _installed[name] = Tee(name, stream)
                    setattr(sys, name, _installed[name])
                    _let_logging_write_to(_installed[name], instead_of=stream)
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            for name, tee in _installed.items():
                if rest := tee.rest():  # the last line had no end
                    listener(name, rest)
            _listeners.remove(listener)
            if not _listeners:
                for name, tee in _installed.items():
                    if getattr(sys, name) is tee:  # else someone has put another in its place
                        setattr(sys, name, tee.stream)
                    _let_logging_write_to(tee.stream, instead_of=tee)
                _installed.clear()


def _let_logging_write_to(stream: Any, *, instead_of: Any) -> None:
    """Replace a stream of logging's handlers, which keep the one that they were made with."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):  # a placeholder has none
            if getattr(handler, "stream", None) is instead_of:
                handler.setStream(stream)
