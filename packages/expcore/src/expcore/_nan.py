"""Digest arrays of floats while looking for NaNs, which are to be of one kind in a digest.

To look for NaNs takes half as long as to hash. A large array has a second thread look; as far as
that one has no core to run on, each piece is looked at by the first, near the processor.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from expcore._digest import Hasher

CACHED_BYTES = 1 << 19
"""What is hashed and looked at while it is near the processor."""
SHARED_BYTES = 4 << 20
HELPED_BYTES = 16 * SHARED_BYTES
"""From this size on, a second thread looks for NaNs, in pieces of the one above."""
LEAD = 4
"""So many pieces the first thread may be ahead before it looks for NaNs itself."""
HALF_INFINITY = 0x7C00


def update_unless_nan(hasher: Hasher, flat: Any) -> bool:
    """Digest numbers; give up and return False when there is a NaN among them.

    Args:
        hasher: Is to digest the bytes of the numbers.
        flat: Of floats or complex numbers, contiguous.
    """
    with np.errstate(all="ignore"):
        if flat.nbytes < HELPED_BYTES or _cores() < 2:  # noqa: PLR2004
            return _update_and_look(hasher, flat)
        try:
            helper = Helper(flat)
        except RuntimeError:  # Python begins no threads while it exits
            return _update_and_look(hasher, flat)
        for i in range(helper.count):
            piece = helper.piece(i)
            if helper.done + LEAD >= i or not helper.take(i):
                hasher.update(_bytes_of(piece))
            elif not _update_and_look(hasher, piece):
                helper.found = True
            if helper.found:
                return False
        return not helper.finish()


def _update_and_look(hasher: Hasher, flat: Any) -> bool:
    """Digest numbers; return whether there was no NaN in them."""
    step = CACHED_BYTES // flat.dtype.itemsize
    for start in range(0, flat.size, step):
        piece = flat[start : start + step]
        hasher.update(_bytes_of(piece))
        if has_nan(piece):
            return False
    return True


class Helper:
    """A thread that looks for NaNs in the pieces of an array that nobody else has taken."""

    def __init__(self, flat: Any) -> None:
        self.flat = flat
        self.step = SHARED_BYTES // flat.dtype.itemsize
        self.count = -(-flat.size // self.step)
        self.found = False
        self.done = 0
        """How many pieces were looked at, from the first on."""
        self._free = dict.fromkeys(range(self.count))
        self._thread = threading.Thread(target=self._run, name="expcore-nan", daemon=True)
        self._thread.start()

    def piece(self, i: int) -> Any:
        return self.flat[i * self.step : (i + 1) * self.step]

    def take(self, i: int) -> bool:
        """Say that a piece is looked at; return whether nobody had said so before."""
        return self._free.pop(i, self) is None

    def finish(self) -> bool:
        """Look at what is left, from the end on; return whether there was a NaN anywhere."""
        for i in reversed(range(self.count)):
            if self.found:
                break
            if self.take(i) and has_nan(self.piece(i)):
                self.found = True
        self._thread.join()
        return self.found

    def _run(self) -> None:
        try:
            with np.errstate(all="ignore"):
                for i in range(self.count):
                    if self.found:
                        break
                    if self.take(i) and has_nan(self.piece(i)):
                        self.found = True
                    self.done = i
        except BaseException:
            self.found = True  # nobody knows: it must be looked for piece by piece
            raise


def _cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # neither macOS nor Windows
        return os.cpu_count() or 1


def has_nan(array: Any) -> bool:
    """Say whether there is a NaN in an array of floats.

    The maximum of such an array is one: nothing exact that numpy offers reads faster.
    """
    if not array.size:
        return False
    if array.dtype.kind == "c":
        return has_nan(np.ascontiguousarray(array).view(array.real.dtype))
    if array.dtype.char == "e":
        # Halves are slow, their bits are not: without the sign, a NaN is above infinity.
        bits = array.view(f"{array.dtype.byteorder}u2")
        return bool((bits << 1).max() > HALF_INFINITY << 1)
    largest = np.maximum.reduce(array, axis=None)
    return bool(largest != largest)  # noqa: PLR0124


def _bytes_of(flat: Any) -> Any:
    return flat.view(np.uint8)
