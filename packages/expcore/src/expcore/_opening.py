"""Open a file at once, whatever it turns out to be."""

import os

_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_at_once(path: str, flags: int) -> int:
    """Open a file; of a pipe, without waiting for whoever writes to it.

    Args:
        path: The file.
        flags: As for :func:`os.open`.

    Returns:
        The descriptor. What it is of is for the caller to look at.

    Raises:
        OSError: It cannot be opened.

    >>> import os, expcore
    >>> expcore.write_file("some.bin", b"data")
    >>> with open("some.bin", "rb", opener=expcore.open_at_once) as file:
    ...     file.read()
    b'data'
    """
    return os.open(path, flags | _FLAGS)
