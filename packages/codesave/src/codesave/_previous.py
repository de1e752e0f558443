"""Take over members of the zip that is being replaced, compressed as they are.

Only a zip of ours is used, written with the same level by the same zlib, whose packed bytes are
still those whose digest its manifest states: then the new zip has the bytes that it would have
had anyway.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict

from codesave._archive import opened
from codesave._manifest import read_manifest
from codesave._names import MANIFEST_NAME
from codesave._zipwriter import Packed, local_header
from codesave.errors import CodesaveError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, Self

_CHUNK = 1 << 20


class Packing(TypedDict):
    """The manifest's ``packing`` entry: how the members' bytes came about."""

    level: int
    zlib: str
    digest: str
    """Of all bytes before the manifest's local header."""


def read_on(digest: hashlib._Hash, file: BinaryIO, size: int) -> str:
    """Take the file's next bytes into a digest; what it names then is returned."""
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return f"sha256:{digest.hexdigest()}"


def packing(level: int, digest: str) -> Packing:
    """Describe bytes that have this digest and were compressed just now."""
    return Packing(level=level, zlib=zlib.ZLIB_RUNTIME_VERSION, digest=digest)


class Previous:
    """The members of an older zip by the digests of their contents; empty if it is of no use."""

    def __init__(self, path: Path, level: int) -> None:
        self._file: FileIO | None = None
        self._lock = threading.Lock()
        self._members: dict[str, tuple[Packed, int]] = {}
        # A zip that cannot be used is simply written anew.
        with suppress(OSError, CodesaveError, AttributeError, KeyError, TypeError, ValueError):
            self._file = path.open("rb", buffering=0)
            self._members = self._read(self._file, level)

    def _read(self, file: FileIO, level: int) -> dict[str, tuple[Packed, int]]:
        with opened(file) as archive:
            manifest = read_manifest(archive)
        if manifest is None:
            return {}
        end = archive.getinfo(MANIFEST_NAME).header_offset
        file.seek(0)
        if packing(level, read_on(hashlib.sha256(), file, end)) != manifest["packing"]:
            return {}
        members: dict[str, tuple[Packed, int]] = {}
        for info in archive.infolist():
            entry = manifest["files"].get(info.filename)
            packed = Packed(info.compress_type, info.CRC, info.file_size, info.compress_size)
            # The directory may be damaged: the local headers are what the digest is of.
            start = _start_of(file, info, packed) if info.header_offset < end else None
            if entry is not None and start is not None:
                members[entry["digest"]] = packed, start
        return members

    def find(self, digest: str) -> Packed | None:
        """How contents of this digest are packed, or None if they are not there."""
        found = self._members.get(digest)
        return found and found[0]

    def has_size(self, size: int) -> bool:
        """Whether some contents have this many bytes."""
        return any(packed.size == size for packed, _ in self._members.values())

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The packed bytes of contents that :meth:`find` found."""
        packed, start = self._members[digest]
        for done in range(0, packed.packed_size, _CHUNK):
            yield self._at(start + done, min(_CHUNK, packed.packed_size - done))

    def _at(self, offset: int, size: int) -> bytes:
        assert self._file is not None  # noqa: S101 - only called for members that were read
        parts: list[bytes] = []
        with self._lock:  # several threads read
            self._file.seek(offset)
            while size > 0 and (part := self._file.read(size)):  # which may give less
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def _start_of(file: FileIO, info: zipfile.ZipInfo, packed: Packed) -> int | None:
    """Where a member's packed bytes begin; None if its local header says something else of it."""
    file.seek(info.header_offset)
    headers = [
        local_header(info.filename, packed, streamed=streamed) for streamed in (False, True)
    ]
    found = file.read(max(map(len, headers)))
    return next(
        (info.header_offset + len(header) for header in headers if found.startswith(header)), None
    )
