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


class Tee:
    """A text stream that passes everything on, and tells the listeners of whole lines."""

    def __init__(self, name: str, stream: Any) -> None:
        self.name, self.stream = name, stream
        self._parts = threading.local()  # threads print at the same time

    def write(self, text: str) -> int:
        """Tell of whole lines, and pass the text on."""
        *lines, rest = (getattr(self._parts, "text", "") + text).split("\n")
        # A progress bar goes back to the start of its line: only what is left there is kept.
        self._parts.text = rest.rpartition("\r")[2] if not rest.endswith("\r") else rest
        for line in lines:
            for listen in _listeners:
                listen(self.name, line.removesuffix("\r").rpartition("\r")[2])
        written: int = self.stream.write(text)
        return written

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
    """Call ``listener(stream, line)`` for each line printed during the block."""
    with _lock:
        if not _listeners:
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if stream is not None:  # there is none under pythonw
                    _installed[name] = Tee(name, stream)
                    setattr(sys, name, _installed[name])
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)
            if not _listeners:
                for name, tee in _installed.items():
                    if getattr(sys, name) is tee:  # else someone has put another in its place
                        setattr(sys, name, tee.stream)
                _installed.clear()
