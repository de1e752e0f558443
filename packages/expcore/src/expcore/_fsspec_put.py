"""Send a value by fsspec: at once if it is small, in pieces if it is large."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from expcore._data import copy, is_stream, read_all
from expcore._s3_uploads import upload_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from expcore._data import Data

WHOLE_BYTES = 16 << 20
"""Streams and files up to this size are sent as one request."""


def put(
    file_system: Any,
    path: str,
    data: Data,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Make a file of bytes, of the rest of a stream, or of another file's contents.

    Args:
        file_system: Of fsspec.
        path: As the file system knows it.
        data: What to send.
        progress: Called with the number of bytes sent since its last call, for files only.
    """
    if isinstance(data, Path):
        advance = progress or (lambda _: None)
        size = data.stat().st_size
        if size <= WHOLE_BYTES:
            file_system.pipe_file(path, data.read_bytes())
            advance(size)
        elif "s3" in file_system.protocol:
            upload_parts(file_system, data, path, advance)
        else:
            file_system.put_file(str(data), path, callback=_callback(advance))
    elif is_stream(data):
        head = data.read(WHOLE_BYTES + 1)
        if len(head) <= WHOLE_BYTES:
            file_system.pipe_file(path, head)
            return
        # Appears when it is closed; not at all if the stream fails before.
        target = file_system.open(path, "wb")
        try:
            target.write(head)
            copy(data, target)
        except BaseException:
            target.discard()
            raise
        target.close()
    else:
        file_system.pipe_file(path, read_all(data))


def move(file_system: Any, source: str, target: str) -> None:
    """Give a file another name."""
    from fsspec import AbstractFileSystem

    if type(file_system).mv is AbstractFileSystem.mv:  # it takes names for patterns: a[1].txt
        file_system.cp_file(source, target)
        file_system.rm_file(source)
    else:
        file_system.mv(source, target)


def _callback(advance: Callable[[int], object]) -> Any:
    """Return what tells of progress as fsspec wants it."""
    from fsspec.callbacks import Callback

    class Told(Callback):  # type: ignore[misc,unused-ignore]
        def relative_update(self, inc: int = 1) -> None:
            advance(inc)

    return Told()
