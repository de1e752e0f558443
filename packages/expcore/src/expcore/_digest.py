"""Digests of bytes, files and folders: strings ``algorithm:hex``.

``xxh3_128`` is faster than copying memory and is the default for keys and for noticing change;
it can be forged. ``sha256`` and ``blake3`` are for what is pinned, shared, or came from
elsewhere. ``sha1`` and ``md5`` are understood because object stores name contents by them.
"""

from __future__ import annotations

import mmap
import os
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import xxhash

from expcore.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer

Algorithm: TypeAlias = Literal["xxh3_128", "sha256", "blake3", "sha1", "md5"]
CHUNK_BYTES = 1 << 18
MAP_BYTES = 32 << 20
"""Files from this size on are mapped."""
MAP_STEP_BYTES = 4 << 20
MADV_POPULATE_READ = 22  # Linux 5.14; older ones refuse it


class Hasher(Protocol):
    """What :mod:`hashlib`, xxhash and blake3 have in common."""

    def update(self, data: Buffer, /) -> object:
        """Add bytes."""
        ...

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""
        ...

    def hexdigest(self) -> str:
        """Return the same in hexadecimal digits."""
        ...


def _blake3() -> Hasher:
    try:
        from blake3 import blake3
    except ImportError:
        raise MissingExtraError("the algorithm 'blake3'", "blake3") from None
    hasher: Hasher = blake3(max_threads=blake3.AUTO)
    return hasher


def _standard(name: str) -> Callable[[], Hasher]:
    def make() -> Hasher:
        import hashlib  # it loads OpenSSL, which takes longer than the rest of this package

        hasher: Hasher = getattr(hashlib, name)(usedforsecurity=False)
        return hasher

    return make


HASHERS: dict[str, Callable[[], Hasher]] = {
    "xxh3_128": xxhash.xxh3_128,
    "sha256": _standard("sha256"),
    "blake3": _blake3,
    "sha1": _standard("sha1"),
    "md5": _standard("md5"),
}


def new_hasher(algorithm: str) -> Hasher:
    """Return an empty hasher.

    Raises:
        ValueError: The algorithm is not known.
        MissingExtraError: It needs an extra that is not installed.
    """
    try:
        make = HASHERS[algorithm]
    except KeyError:
        raise ValueError(
            f"unknown digest algorithm {algorithm!r}; use one of {', '.join(HASHERS)}"
        ) from None
    return make()


def digest_bytes(data: Buffer, *, algorithm: Algorithm = "xxh3_128") -> str:
    """Return the digest of a run of bytes.

    Args:
        data: Anything with the buffer protocol, contiguous.
        algorithm: See the module.

    >>> digest_bytes(b"abc", algorithm="sha256")[:15]
    'sha256:ba7816bf'
    >>> digest_bytes(b"")
    'xxh3_128:99aa06d3014798d86001c324468d497f'
    """
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return f"{algorithm}:{hasher.hexdigest()}"


def digest_file(path: str | os.PathLike[str], *, algorithm: Algorithm = "xxh3_128") -> str:
    """Return the digest of a file's contents, :func:`digest_bytes` of its bytes.

    A large file is mapped into memory where the system can be asked to read ahead: half the
    time of copying it piece by piece.

    Raises:
        OSError: The file cannot be read.
    """
    hasher = new_hasher(algorithm)
    with Path(path).open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        done = _update_mapped(hasher, file.fileno(), size) if size >= MAP_BYTES else 0
        file.seek(done)
        # Also what was appended since, and all of it where mapping does not work.
        piece = bytearray(CHUNK_BYTES)
        view = memoryview(piece)
        while count := file.readinto(piece):
            hasher.update(view[:count])
    return f"{algorithm}:{hasher.hexdigest()}"


def _update_mapped(hasher: Hasher, descriptor: int, size: int) -> int:
    """Digest a file as it lies in the page cache; return how many bytes were digested."""
    if sys.platform != "linux":
        return 0
    done = 0
    with (
        mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as mapped,
        memoryview(mapped) as view,
    ):
        while done < size:
            count = min(MAP_STEP_BYTES, size - done)
            try:
                # Where the file ends by now, or its disk fails, this is an error; touching
                # the memory would kill the process.
                mapped.madvise(MADV_POPULATE_READ, done, count)
            except OSError:
                return done
            with view[done : done + count] as piece:
                hasher.update(piece)
            done += count
    return done


def digest_tree(folder: str | os.PathLike[str], *, algorithm: Algorithm = "xxh3_128") -> str:
    """Return the digest of the files below a folder: their names, and what is in them.

    Times, owners, mode bits and empty folders do not count, so a copy has the digest of the
    original on any system. Names are compared in Unicode's NFC form. A symbolic link counts
    by the text of its target and is not followed.

    Args:
        folder: The folder; its own name does not count.
        algorithm: Used for each file and for the whole.

    Raises:
        OSError: Something cannot be read.
        ValueError: Something is neither file, folder nor link.
    """
    root = Path(folder)
    lines = sorted(
        (unicodedata.normalize("NFC", path.relative_to(root).as_posix()), path)
        for path in _walk(root)
    )
    hasher = new_hasher(algorithm)
    hasher.update(b"expcore tree 1\n")
    for name, path in lines:
        if path.is_symlink():
            kind, content = "link", Path(os.readlink(path)).as_posix()  # noqa: PTH115 -- the text as it is
        elif path.is_file():
            kind, content = "file", digest_file(path, algorithm=algorithm)
        else:
            raise ValueError(f"{path} is neither a file, a folder nor a link; remove it first")
        for part in (kind, name, content):
            data = part.encode("utf-8", "surrogateescape")
            hasher.update(b"%d:%b" % (len(data), data))
    return f"{algorithm}:{hasher.hexdigest()}"


def _walk(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            else:
                yield Path(entry.path)
