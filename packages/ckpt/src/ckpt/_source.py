"""Read a file at offsets: a path by ``pread``, an open file object by seeking."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from ckpt.errors import BrokenFileError
from expcore import open_at_once

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import TypeIs

    from ckpt._directory import Source

FileOrPath: TypeAlias = "str | os.PathLike[str] | IO[bytes]"


class PathSource:
    """A file opened by its path; safe to read from several threads."""

    parallel = hasattr(os, "preadv")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.file = open(path, "rb", 0, opener=open_at_once)  # noqa: SIM115 -- closed by open_source
        found = os.fstat(self.file.fileno())
        if not stat.S_ISREG(found.st_mode):
            self.file.close()
            raise BrokenFileError(os.fspath(path), "it is a pipe or a device, and no file")
        self.size = found.st_size
        self._lock = threading.Lock()

    def read(self, offset: int, length: int) -> bytes:
        """Read that many bytes; fewer mean that the file ends there."""
        length = min(length, self.size - offset)  # never more memory than the file has bytes
        if length <= 0:
            return b""
        if hasattr(os, "pread"):
            data = os.pread(self.file.fileno(), length, offset)
            if len(data) == length:
                return data
        out = bytearray(length)
        return bytes(out[: self.read_into(offset, memoryview(out))])

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer; the number of bytes that the file had for it."""
        done = 0
        while done < len(buffer):
            if hasattr(os, "preadv"):
                count = os.preadv(self.file.fileno(), [buffer[done:]], offset + done)
            else:
                with self._lock:
                    self.file.seek(offset + done)
                    count = self.file.readinto(buffer[done:])
            if not count:
                break
            done += count
        return done


class StreamSource:
    """A seekable binary file object of whatever kind."""

    parallel = False

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self._lock = threading.Lock()  # another thread may seek meanwhile

    def read(self, offset: int, length: int) -> bytes:
        """Read that many bytes; fewer mean that the file ends there."""
        out = bytearray()
        with self._lock:
            self.file.seek(offset)
            while len(out) < length:
                part = self.file.read(min(length - len(out), 1 << 24))
                if not part:
                    break
                out += part
        return bytes(out)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer; the number of bytes that the file had for it."""
        done = 0
        while done < len(buffer):
            part = self.read(offset + done, min(len(buffer) - done, 1 << 24))
            if not part:
                break
            buffer[done : done + len(part)] = part
            done += len(part)
        return done


def is_path(file: FileOrPath) -> TypeIs[str | os.PathLike[str]]:
    """Whether a file is given by its path.

    Raises:
        TypeError: It is neither that nor a binary file object.
    """
    if isinstance(file, (str, os.PathLike)):
        return True
    known: object = file
    if isinstance(known, io.TextIOBase):
        raise TypeError(f'expected a binary file, found {known!r}; open it with "b"')
    if not (hasattr(known, "read") or hasattr(known, "write")):
        raise TypeError(f"expected a path or a binary file, found {known!r:.80}")
    return False


def name_of(file: FileOrPath) -> str:
    """How messages call a file."""
    if isinstance(file, (str, os.PathLike)):
        return os.fspath(file)
    name: Any = getattr(file, "name", None)
    return name if isinstance(name, str) else f"<{type(file).__name__}>"


@contextmanager
def open_source(file: FileOrPath) -> Generator[Source]:
    """Open a file for reading; a file object stays open, at its end.

    Raises:
        BrokenFileError: The disk could not read it back (``EIO``).
        OSError: It could not be opened.
    """
    try:
        if is_path(file):
            source = PathSource(file)
            with source.file:
                yield source
        else:
            stream = StreamSource(file)
            yield stream
            file.seek(0, os.SEEK_END)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise BrokenFileError(name_of(file), "the disk cannot read it (EIO)") from error
