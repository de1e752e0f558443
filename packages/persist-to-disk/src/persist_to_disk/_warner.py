"""Say what went wrong with a cache, without saying it at every call."""

from __future__ import annotations

import inspect
import logging
import math
import time
import warnings
from pathlib import Path

from persist_to_disk.errors import PersistWarning

log = logging.getLogger("persist_to_disk")

EVERY_S = 60.0


class Warner:
    """Warns about one function's results.

    Args:
        title: The function's module and name.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._silent_until_s = self._again_s = 0.0

    def warn(self, problem: str) -> None:
        """Warn, at most once a minute, and once only until a result is stored again."""
        log.info("%s %s", self._title, problem)
        now_s = time.monotonic()
        if now_s >= self._silent_until_s:
            self._silent_until_s, self._again_s = math.inf, now_s + EVERY_S
            text = f"persist_to_disk: {self._title} {problem}; the call is computed as usual"
            warnings.warn(text, PersistWarning, stacklevel=_level_of_caller())

    def note_success(self) -> None:
        """Take note that a result is stored: what goes wrong from now on is another problem."""
        self._silent_until_s = self._again_s


def _level_of_caller() -> int:
    """Return the ``stacklevel`` of the code that called the decorated function."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and Path(frame.f_code.co_filename).parent == Path(__file__).parent:
        level, frame = level + 1, frame.f_back
    return level
