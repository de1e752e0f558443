"""Which arrays are read together, of those that are asked for one by one.

To read a small array alone takes as long as to read a hundred of its neighbours with it; so who
goes through a file in its order is given the next of a few that were read at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckpt._reader import NpzReader

BYTES = 1 << 20
"""Read together, at most."""
MOST = 1024
"""Arrays that are read together."""


class Ahead:
    """Follows in which order the arrays of a file are asked for.

    Args:
        reader: Of the file.
    """

    def __init__(self, reader: NpzReader) -> None:
        self._reader = reader
        self._next = -1

    def together(self, name: str) -> list[str]:
        """What to read when an array is asked for: it, and small ones that may be asked for next.

        They are more than one only where the last one asked for was the one before it.
        """
        first = self._reader.index[name]
        follows, self._next = first == self._next, first + 1
        if not follows:
            return [name]
        names = self._reader.names[first : first + MOST]
        total = 0
        for i, size in enumerate(self._reader.sizes(names)):
            total += size
            if total > BYTES:
                return names[: max(i, 1)]
        return names

    def passed(self, name: str) -> None:
        """Note that an array was asked for that was read before."""
        self._next = self._reader.index[name] + 1
