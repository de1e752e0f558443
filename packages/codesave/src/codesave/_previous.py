"""Take over members of the zip that is being replaced, compressed as they are.

Only a zip of ours is used, written with the same level by the same zlib, whose packed bytes are
still those whose digest its manifest states: then the new zip has the bytes that it would have
had anyway.
"""

from __future__ import annotations

import hashlib
import struct
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, TypedDict

from codesave._manifest import read_manifest
from codesave._rules import MANIFEST_NAME
from codesave._zipwriter import Packed
from codesave.errors import CodesaveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_CHUNK = 1 << 20
_LOCAL_HEADER = 30


class Packing(TypedDict):
    """The manifest's ``packing`` entry: how the members' bytes came about."""

    level: int
    zlib: str
    digest: str
    """Of all bytes before the manifest's local header."""


def packing(file: BinaryIO, level: int, end: int) -> Packing:
    """Describe what was written to a file up to ``end``."""
    digest = hashlib.sha256()
    file.seek(0)
    while end > 0 and (chunk := file.read(min(end, _CHUNK))):
        digest.update(chunk)
        end -= len(chunk)
    found = f"sha256:{digest.hexdigest()}"
    return Packing(level=level, zlib=zlib.ZLIB_RUNTIME_VERSION, digest=found)


class Previous:
    """The members of an older zip by the digests of their contents; empty if it is of no use."""

    def __init__(self, path: Path, level: int) -> None:
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()
        self._members: dict[str, tuple[Packed, int]] = {}
        # A zip that cannot be used is simply written anew.
        with suppress(OSError, CodesaveError, KeyError, TypeError, ValueError):
            self._file = path.open("rb")
            self._members = self._read(self._file, level)

    def _read(self, file: BinaryIO, level: int) -> dict[str, tuple[Packed, int]]:
        import zipfile

        try:
            archive = zipfile.ZipFile(file)
            manifest = read_manifest(archive)
        except zipfile.BadZipFile:
            return {}
        if manifest is None:
            return {}
        end = archive.getinfo(MANIFEST_NAME).header_offset
        if packing(file, level, end) != manifest["packing"]:
            return {}
        members: dict[str, tuple[Packed, int]] = {}
        for name, entry in manifest["files"].items():
            info = archive.getinfo(name)
            packed = Packed(info.compress_type, info.CRC, info.file_size, info.compress_size)
            members[entry["digest"]] = packed, info.header_offset
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
        packed, offset = self._members[digest]
        header = self._at(offset, _LOCAL_HEADER)
        name, extra = struct.unpack_from("<2H", header, 26)
        start = offset + _LOCAL_HEADER + name + extra
        for done in range(0, packed.packed_size, _CHUNK):
            yield self._at(start + done, min(_CHUNK, packed.packed_size - done))

    def _at(self, offset: int, size: int) -> bytes:
        assert self._file is not None  # noqa: S101 - only called for members that were read
        with self._lock:  # several threads read
            self._file.seek(offset)
            return self._file.read(size)

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
