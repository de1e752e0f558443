"""Write a file from its beginning to its end: what comes is gathered into stages."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from expcore._stages import STAGE_BYTES, StageWriter, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from typing_extensions import Buffer


def write_all(
    file: BinaryIO,
    data: Buffer | Iterable[Buffer],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a buffer, or several one after another, to an empty file.

    Args:
        file: Open for writing.
        data: What to write.
        progress: Called with the number of bytes written since its last call.

    Raises:
        OSError: Not all could be written.
        TypeError: Something has no bytes.
    """
    whole = _as_view(data)
    size = 0 if whole is None else len(whole)
    with staged(file, size=size, progress=progress) as stages:
        for buffer in data if whole is None else (whole,):  # type: ignore[union-attr]
            stages.write(buffer)


@contextmanager
def staged(
    file: BinaryIO, *, size: int = 0, progress: Callable[[int], object] | None = None
) -> Generator[StagedFile]:
    """Write a file from its beginning in stages, by several threads.

    Args:
        file: Empty, open for writing; after the block it is at its end and can be written as
            before.
        size: About how many bytes will be written, if that is known; space is reserved first.
        progress: Called with the number of bytes written since its last call.

    Yields:
        What to write to; all is written when the block ends well.

    Raises:
        OSError: From a write, or from the end of the block: not all could be written.

    >>> from pathlib import Path
    >>> from expcore import open_atomic, staged
    >>> with open_atomic("hello.txt") as file, staged(file) as stages:
    ...     for word in (b"hello ", b"world"):
    ...         stages.write(word)
    >>> Path("hello.txt").read_text()
    'hello world'
    """
    file.flush()
    with StageWriter(file.fileno(), size) as writer, Workers[int]() as workers:
        stages = StagedFile(writer, workers, progress or (lambda _: None))
        yield stages
        written = stages.finish()
    if written < size:
        file.truncate(written)
    file.seek(written)


class StagedFile:
    """Gathers what is written until a stage is full; see :func:`staged`."""

    def __init__(
        self, writer: StageWriter, workers: Workers[int], progress: Callable[[int], object]
    ) -> None:
        self._writer, self._workers, self._progress = writer, workers, progress
        self._stage = writer.take()
        self._filled = self._offset = 0

    def write(self, data: Buffer) -> None:
        """Write bytes behind those that were written before.

        Raises:
            OSError: These, or earlier ones, could not be written.
            TypeError: It has no bytes.
            ValueError: It has gaps.
        """
        view = _as_view(data)
        if view is None:
            raise TypeError(f"cannot write {type(data).__name__}; it has no bytes")
        done = 0
        while done < len(view):
            if self._filled == STAGE_BYTES:
                self._send()
            count = min(len(view) - done, STAGE_BYTES - self._filled)
            self._stage[self._filled : self._filled + count] = view[done : done + count]
            done += count
            self._filled += count

    def finish(self) -> int:
        """Write what is left; return how many bytes were written in all."""
        if self._offset:
            self._send()
            for length in self._workers.rest():
                self._progress(length)
        elif self._filled:
            self._progress(self._writer.write(self._stage, self._filled, 0))
            self._offset = self._filled
        return self._offset

    def _send(self) -> None:
        """Have a stage written while the next one is filled."""
        if self._offset == 0:
            self._writer.go_direct()
        for length in self._workers.do(
            self._writer.write, self._stage, self._filled, self._offset
        ):
            self._progress(length)
        self._offset += self._filled
        self._stage, self._filled = self._writer.take(), 0


def _as_view(data: object) -> memoryview | None:
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        return None
    if not view.c_contiguous:
        raise ValueError("cannot write a buffer with gaps; make it contiguous first")
    return view.cast("B") if view.nbytes else memoryview(b"")
