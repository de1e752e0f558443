"""Write buffers, one after another, to a file: they are gathered into stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expcore._stages import STAGE_BYTES, StageWriter, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Buffer


def write_all(
    descriptor: int,
    data: Buffer | Iterable[Buffer],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a buffer, or several one after another, to an empty file.

    Args:
        descriptor: Open for writing.
        data: What to write.
        progress: Called with the number of bytes written since its last call.

    Raises:
        OSError: Not all could be written.
        TypeError: Something has no bytes.
    """
    whole = _as_view(data)
    size = 0 if whole is None else len(whole)
    views = map(_bytes_of, data) if whole is None else iter([whole])  # type: ignore[arg-type]  # an iterable, as it is no buffer

    def write(stage: tuple[memoryview, int, int]) -> int:
        writer.write(*stage)
        return stage[1]

    with StageWriter(descriptor, size) as writer:
        stages = _stages(views, writer)
        for length in map(write, stages) if 0 < size <= STAGE_BYTES else in_order(write, stages):
            if progress is not None:
                progress(length)


def _stages(
    views: Iterator[memoryview], writer: StageWriter
) -> Iterator[tuple[memoryview, int, int]]:
    """Gather bytes; yield the memory of each stage, how much of it is filled, and its place."""
    stage, filled, offset = writer.take(), 0, 0
    for view in views:
        done = 0
        while done < len(view):
            count = min(len(view) - done, STAGE_BYTES - filled)
            stage[filled : filled + count] = view[done : done + count]
            done, filled = done + count, filled + count
            if filled == STAGE_BYTES:
                yield stage, filled, offset
                stage, filled, offset = writer.take(), 0, offset + STAGE_BYTES
    if filled:
        yield stage, filled, offset


def _bytes_of(data: object) -> memoryview:
    view = _as_view(data)
    if view is None:
        raise TypeError(f"cannot write {type(data).__name__}; it has no bytes")
    return view


def _as_view(data: object) -> memoryview | None:
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        return None
    if not view.c_contiguous:
        raise ValueError("cannot write a buffer with gaps; make it contiguous first")
    return view.cast("B") if view.nbytes else memoryview(b"")
