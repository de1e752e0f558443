"""Look at the code that called."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def caller() -> FrameType:
    """The frame that called the function that asks.

    Raises:
        RuntimeError: There is none: C code called, or this Python has no frames.
    """
    frame = caller_or_none(1)
    if frame is None:
        raise RuntimeError("this Python does not tell which code called")
    return frame


def caller_or_none(above: int = 0) -> FrameType | None:
    """The frame that called the function that asks, or one ``above`` that; None without one."""
    frame = inspect.currentframe()
    for _ in range(above + 2):
        frame = frame and frame.f_back
    return frame
