r"""From a result to the payload of a frame, and back.

A result is pickled, protocol 5. Up to 1 MiB the pickle itself is the payload. Beyond, it goes
to a *sidecar*, a file of its own below ``N.d`` beside the bucket ``N.pkl``, and the payload
names it::

     0   8  length of the sidecar
     8  16  xxh3_128 of the sidecar
    24      its name, in UTF-8

A sidecar is written once and never changed; replacing an entry writes another. Version 1,
integers little-endian::

     0   8  magic 89 70 74 64 62 69 67 0A  ("\x89ptdbig\n")
     8   4  version, 1
    12   4  number of buffers, n
    16   8  length of the pickle
    24  16  n times: offset of the buffer from the start of the file, its length
            the pickle
            the buffers, each at a multiple of 64 bytes, zeros between

The buffers are those of arrays (:pep:`574`). Reading maps the file privately: arrays come back
without a copy and may be written to, which changes neither the file nor another's result.
"""

from __future__ import annotations

import mmap
import os
import pickle
import time
from contextlib import ExitStack
from pickle import PickleBuffer
from struct import Struct, error
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128

from expcore import digest_file, progress_bar, write_file
from persist_to_disk._frames import FLAG_SIDECAR
from persist_to_disk._guard import PRIVATE_FILE, check_owner, make_folder
from persist_to_disk._open_files import open_file
from persist_to_disk._reading import BINARY
from persist_to_disk._unpickle import Unpickler, loads
from persist_to_disk.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SIDECAR_OVER_BYTES = 1 << 20
PROGRESS_AFTER_S = 0.3
"""Then it is known how long a write will take."""
PROGRESS_OVER_S = 1.0
PROTOCOL = 5
MAGIC = b"\x89ptdbig\n"
VERSION = 1

_REFERENCE = Struct("<Q16s")
_START = Struct("<8sIIQ")
_BUFFER = Struct("<QQ")
_ALIGNMENT = 64

_verified: set[tuple[int, int, int, bytes]] = set()


class DamagedEntryError(Exception):
    """A stored result cannot be had back; the caller computes it again."""


def encode(value: object, sidecars: Path, name: str, *, trust: bool) -> tuple[int, bytes]:
    """Return the flags and the payload for a result, writing its sidecar if it needs one.

    Args:
        value: Any result that can be pickled.
        sidecars: The folder for sidecars of this bucket.
        name: The beginning of the sidecar's name.
        trust: Let others read it, as far as the umask says.

    Raises:
        OSError: The sidecar cannot be written.
        Exception: Whatever pickling the result raises.
    """
    buffers: list[PickleBuffer] = []
    pickled = pickle.dumps(value, PROTOCOL, buffer_callback=buffers.append)
    size = len(pickled) + sum(buffer.raw().nbytes for buffer in buffers)
    if size <= SIDECAR_OVER_BYTES:
        return 0, pickle.dumps(value, PROTOCOL) if buffers else pickled
    path = sidecars / f"{name}-{os.urandom(4).hex()}"
    parts = list(_sidecar(pickled, [buffer.raw() for buffer in buffers]))
    hasher = xxh3_128()
    for part in parts:
        hasher.update(part)
    length = sum(map(len, parts))
    write_sidecar(path, parts, trust=trust)
    return FLAG_SIDECAR, _REFERENCE.pack(length, hasher.digest()) + path.name.encode()


def write_sidecar(path: Path, parts: Sequence[bytes | memoryview], *, trust: bool) -> None:
    """Write a sidecar, showing progress if that takes more than a second.

    Args:
        path: The file; its folder need not exist.
        parts: Its bytes.
        trust: Let others read it, as far as the umask says.

    Raises:
        OSError: It cannot be written.
    """
    make_folder(path.parent, trust=trust)
    with ExitStack() as stack:
        write_file(path, parts, progress=_progress(sum(map(len, parts)), stack))
    if not trust:
        path.chmod(PRIVATE_FILE)


def _progress(length: int, stack: ExitStack) -> Callable[[int], object]:
    """Return what to call with each number of bytes written; it shows a bar in due time."""
    start, done = time.monotonic(), 0
    show: Callable[[int], object] | None = None

    def advance(more: int) -> None:
        nonlocal done, show
        done += more
        if show is not None:
            show(more)
            return
        elapsed_s = time.monotonic() - start
        if elapsed_s > PROGRESS_AFTER_S and elapsed_s * length > PROGRESS_OVER_S * done:
            show = stack.enter_context(progress_bar("keeping a result", length))
            show(done)

    return advance


def decode(flags: int, payload: bytes, sidecars: Path, module: str, *, trust: bool) -> Any:
    """Return a stored result.

    Args:
        flags: Of its frame.
        payload: Of its frame.
        sidecars: The folder for sidecars of its bucket.
        module: The module of the function whose result it is.
        trust: Read what others may write to.

    Raises:
        DamagedEntryError: The sidecar is missing or damaged, or the pickle cannot be read here.
        UnsafePathError: Others may write to the sidecar.
    """
    try:
        if not flags & FLAG_SIDECAR:
            return loads(payload, module)
        return _load_sidecar(payload, sidecars, module, trust=trust)
    except UnsafePathError:
        raise
    except Exception as reason:
        raise DamagedEntryError(f"{type(reason).__name__}: {reason}") from reason


def sidecar_path(payload: bytes, sidecars: Path) -> Path:
    """Return the file that a payload names."""
    return sidecars / _sidecar_name(payload)


def _sidecar_name(payload: bytes) -> str:
    # Whatever a file says, what it names is beside it.
    return os.path.basename(payload[_REFERENCE.size :].decode())  # noqa: PTH119


def sidecar_facts(payload: bytes) -> tuple[int, str]:
    """Return the length and the digest of the sidecar that a payload names."""
    length, digest = _REFERENCE.unpack_from(payload)
    return length, f"xxh3_128:{digest.hex()}"


def check_sidecar(payload: bytes, sidecars: Path) -> str | None:
    """Return what is wrong with the sidecar that a payload names, having read all of it."""
    path = sidecar_path(payload, sidecars)
    try:
        found = digest_file(path)
    except OSError as reason:
        return f"{path}: {reason.strerror or reason}"
    return None if found == sidecar_facts(payload)[1] else f"{path}: damaged"


def _sidecar(pickled: bytes, buffers: list[memoryview]) -> Iterator[bytes | memoryview]:
    start = _START.size + len(buffers) * _BUFFER.size + len(pickled)
    table: list[bytes] = []
    at = start
    for buffer in buffers:
        at = -(-at // _ALIGNMENT) * _ALIGNMENT
        table.append(_BUFFER.pack(at, buffer.nbytes))
        at += buffer.nbytes
    yield _START.pack(MAGIC, VERSION, len(buffers), len(pickled)) + b"".join(table)
    yield pickled
    at = start
    for buffer in buffers:
        yield bytes(-at % _ALIGNMENT)
        yield buffer
        at += -at % _ALIGNMENT + buffer.nbytes


def _load_sidecar(payload: bytes, sidecars: Path, module: str, *, trust: bool) -> object:
    path = f"{sidecars}{os.sep}{_sidecar_name(payload)}"
    length, digest = _REFERENCE.unpack_from(payload)
    descriptor = open_file(path, os.O_RDONLY | BINARY)
    try:
        status = os.fstat(descriptor)
        if not trust:
            check_owner(path, status)
        if status.st_size != length:
            raise ValueError(f"{path} has {status.st_size} bytes and should have {length}")
        mapped = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
        known = (status.st_dev, status.st_ino, status.st_mtime_ns, digest)
        if known not in _verified:
            if xxh3_128(mapped).digest() != digest:
                raise ValueError(f"{path} is damaged: its digest is not what was written")
            _verified.add(known)
        magic, version, count, _ = _START.unpack_from(mapped)
        if (magic, version) != (MAGIC, VERSION):
            raise error(f"{path} is no sidecar of version {VERSION}")
        at = _START.size
        buffers: list[memoryview] = []
        for _ in range(count):
            offset, size = _BUFFER.unpack_from(mapped, at)
            buffers.append(mapped[offset : offset + size])
            at += _BUFFER.size
        # The file itself: what is large within the pickle goes to its place without a copy.
        with open(descriptor, "rb", closefd=False) as file:
            file.seek(at)
            return Unpickler(file, module, buffers).load()
    finally:
        os.close(descriptor)
