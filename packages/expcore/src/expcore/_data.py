"""What may be written to a storage, and how bytes go from one place to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from expcore._digest import new_hasher
from expcore.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer, TypeIs

    from expcore._storage import Stat
    from expcore._stream import StagedFile

    Data: TypeAlias = Buffer | BinaryIO | Path
    """Bytes, an open binary file (from its position on), or a path."""

COPY_BYTES = 1 << 20


def read_all(data: Data) -> bytes:
    """Return all bytes of what may be written."""
    if isinstance(data, Path):
        return data.read_bytes()
    if is_stream(data):
        return data.read()
    return data if isinstance(data, bytes) else memoryview(data).tobytes()


def is_stream(data: Data) -> TypeIs[BinaryIO]:
    """Say whether there is something to read from."""
    return hasattr(data, "read")


def receive(
    source: BinaryIO,
    target: BinaryIO,
    expected: Stat,
    url: str,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Copy a value from a storage, and check that it is the one expected.

    Raises:
        IntegrityError: Its size or digest is another.
    """
    arrived = copy(source, target, expected, progress)
    if arrived is not None and arrived != expected:
        found, wanted = (
            f"{stat.size} bytes" if arrived.size != expected.size else stat.digest
            for stat in (arrived, expected)
        )
        raise IntegrityError(url, f"download {expected.key!r}", f"{found} arrived of {wanted}")


def copy(
    source: BinaryIO,
    target: BinaryIO | StagedFile,
    expected: Stat | None = None,
    progress: Callable[[int], object] | None = None,
) -> Stat | None:
    """Copy from the one's position to its end.

    Returns:
        What was expected, with the size and digest of what came.
    """
    algorithm = expected.digest.partition(":")[0] if expected and expected.digest else None
    hasher = new_hasher(algorithm) if algorithm else None
    size = 0
    while piece := source.read(COPY_BYTES):
        target.write(piece)
        size += len(piece)
        if hasher is not None:
            hasher.update(piece)
        if progress is not None:
            progress(len(piece))
    if expected is None:
        return None
    digest = f"{algorithm}:{hasher.hexdigest()}" if hasher is not None else None
    return replace(expected, size=size, digest=digest)
