"""Keep the garbage collector from looking at a model again and again while it is made."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def gc_paused() -> Generator[None]:
    """Collect no cycles for as long as the block runs.

    Thousands of modules are thousands of new containers, none of them garbage: collecting takes
    half of the time of loading them.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
