"""Show text that others wrote, and that may hold commands for the terminal."""

from __future__ import annotations

import re
import sys

# Control characters but tabs and line ends, marks that turn the direction of writing, and halves
# of surrogate pairs, which stand for the bytes of a name that is not UTF-8.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""The text with what would act on a terminal, or is not in its encoding, written out.

    >>> print(printable("a\x1b[2J b"))
    a\x1b[2J b
    """
    safe = _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)
    # On Windows what is not a console, a pipe or a file, has an encoding of 256 characters.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return safe.encode(encoding, "backslashreplace").decode(encoding)
