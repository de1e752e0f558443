"""Replace a large file without waiting until its space is free again."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import BinaryIO

LARGE_BYTES = 64 << 20
_freeing: WeakSet[Thread] = WeakSet()


@contextmanager
def freed_in_background(path: Path) -> Generator[None]:
    """Have the file that is replaced in the block, if it is large, freed by a thread.

    The system frees a file once it has no name and nobody has it open, which takes 150 ms for a
    gigabyte on ext4: here it stays open until it is replaced, and a thread closes it. The next
    save waits for that, as it may need the space.
    """
    for thread in list(_freeing):
        thread.join()
    former = _opened_if_large(path)
    if former is None:
        yield
        return
    try:
        yield
    finally:
        thread = Thread(target=former.close, name="torch_saveload-free")
        try:
            thread.start()
        except RuntimeError:  # Python begins no threads while it exits
            former.close()
        else:
            _freeing.add(thread)


def _opened_if_large(path: Path) -> BinaryIO | None:
    if os.name == "nt":  # where no open file can be replaced
        return None
    with suppress(OSError):
        if path.stat().st_size >= LARGE_BYTES:
            return path.open("rb")
    return None
