r"""The bytes of a bucket file ``N.pkl``: a header, then cache entries, one after the other.

Version 1. Integers are little-endian. Every part begins at a multiple of 8 bytes.

Header, 64 bytes: the same 32 bytes twice, so that one damaged copy costs nothing::

     0   8  magic 89 70 74 64 0D 0A 1A 0A  ("\x89ptd\r\n\x1a\n")
     8   4  version, 1
    12   4  zero
    16   8  salt, random, one for each file
    24   8  xxh3_64 of bytes 0 to 23, seed 0

Frame, one cache entry::

     0   4  magic F5 70 74 65  ("\xf5pte")
     4   4  flags, see FLAG_*
     8  16  key, the digest of the call
    24   8  length of the payload
    32   8  when it was written, nanoseconds since 1970
    40   8  xxh3_64 of the payload, seed salt
    48   8  xxh3_64 of bytes 0 to 47, seed salt
    56      the payload (:mod:`persist_to_disk._values`)
            zeros up to a multiple of 8
            8 bytes: the length of the whole frame, these 8 included

Frames are only ever appended, and of several frames with one key the last counts. A writer
that is killed leaves a *torn tail*: the next writer cuts it off, under the lock, before it
appends, for a frame after it would be swallowed by the torn one. The length at a frame's end
tells a writer in one step that the tail is whole.

A reader takes no lock. It passes over what is damaged to the next magic; the checksums, salted
so that no payload can hold a valid frame, tell damage and mere resemblance from entries.

A file of version 0.0.7 is one pickle and begins with byte 80.
"""

from __future__ import annotations

import os
from struct import Struct, error
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_MAGIC = b"\x89ptd\r\n\x1a\n"
FRAME_MAGIC = b"\xf5pte"
VERSION = 1
OLD_PICKLE = b"\x80"

FLAG_SIDECAR = 1
"""The payload names a file that holds the result."""
FLAG_RAISED = 2
"""The result is an exception that was raised."""

_HEADER = Struct("<8sIIQQ")
_HEAD = Struct("<4sI16sQQQQ")
_LENGTH = Struct("<Q")
HEADER_BYTES = 2 * _HEADER.size
HEAD_BYTES = _HEAD.size


class Frame(NamedTuple):
    """Where one entry lies in the file, and what its head says."""

    offset: int
    flags: int
    key: bytes
    length: int
    written_ns: int
    checksum: int

    @property
    def payload_offset(self) -> int:
        """Where the payload begins, in bytes from the start of the file."""
        return self.offset + HEAD_BYTES

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + frame_bytes(self.length)


def new_header() -> tuple[int, bytes]:
    """Return a new salt, and the header for it."""
    salt = int.from_bytes(os.urandom(8), "little")
    return salt, encode_header(salt)


def encode_header(salt: int) -> bytes:
    """Return the header for a salt."""
    copy = _HEADER.pack(FILE_MAGIC, VERSION, 0, salt, 0)[:24]
    return 2 * (copy + _LENGTH.pack(xxh3_64_intdigest(copy)))


def decode_header(data: bytes) -> tuple[int, int] | None:
    """Return the version and the salt from a file's first bytes; None if it is no bucket."""
    for start in (0, _HEADER.size):
        copy = data[start : start + _HEADER.size]
        if len(copy) == _HEADER.size:
            magic, version, _, salt, checksum = _HEADER.unpack(copy)
            if magic == FILE_MAGIC and checksum == xxh3_64_intdigest(copy[:24]):
                return version, salt
    return None


def encode_frame(key: bytes, payload: bytes, flags: int, written_ns: int, salt: int) -> bytes:
    """Return the bytes of one entry."""
    return make_frame(0, key, payload, flags, written_ns, salt)[1]


def make_frame(  # noqa: PLR0917 -- the fields of a frame
    offset: int, key: bytes, payload: bytes, flags: int, written_ns: int, salt: int
) -> tuple[Frame, bytes]:
    """Return an entry that will lie at an offset, and its bytes."""
    length = len(payload)
    checksum = xxh3_64_intdigest(payload, salt)
    head = _HEAD.pack(FRAME_MAGIC, flags, key, length, written_ns, checksum, 0)[:48]
    size = frame_bytes(length)
    zeros = bytes(size - HEAD_BYTES - length - 8)
    check = _LENGTH.pack(xxh3_64_intdigest(head, salt))
    data = b"".join((head, check, payload, zeros, _LENGTH.pack(size)))
    return Frame(offset, flags, key, length, written_ns, checksum), data


def decode_head(data: bytes, at: int, salt: int, offset: int | None = None) -> Frame | None:
    """Return the frame whose head is at ``data[at:]``; None if there is no valid head.

    Args:
        data: Part of the file.
        at: Where to look in ``data``.
        salt: From the header.
        offset: Where in the file that is; default ``at``.
    """
    try:
        magic, flags, key, length, written_ns, checksum, check = _HEAD.unpack_from(data, at)
    except error:
        return None
    if magic != FRAME_MAGIC or check != xxh3_64_intdigest(data[at : at + 48], salt):
        return None
    return Frame(at if offset is None else offset, flags, key, length, written_ns, checksum)


def is_payload(frame: Frame, payload: bytes, salt: int) -> bool:
    """Say whether these bytes are the payload that the frame was written with."""
    return len(payload) == frame.length and xxh3_64_intdigest(payload, salt) == frame.checksum


def scan(data: bytes, salt: int, base: int) -> Iterator[Frame]:
    """Yield the frames that lie wholly in ``data``, passing over what is damaged.

    Args:
        data: The file from ``base`` on.
        salt: From the header.
        base: Where in the file ``data`` begins: at a frame, or the end of the header.
    """
    at = 0
    while at >= 0:
        frame = decode_head(data, at, salt, base + at)
        if frame is not None and frame.end <= base + len(data):
            yield frame
            at = frame.end - base
        else:
            at = _next_magic(data, at + 8)


def whole_frames(data: bytes, salt: int, base: int) -> Iterator[Frame]:
    """Yield the frames at the beginning of ``data``, up to the first damage.

    Args:
        data: The file from ``base`` on.
        salt: From the header.
        base: Where in the file ``data`` begins: at a frame, or the end of the header.
    """
    at, size = 0, len(data)
    while (frame := decode_head(data, at, salt, base + at)) is not None:
        at += frame_bytes(frame.length)
        if at > size:
            return
        yield frame


def find_last(data: bytes, key: bytes, salt: int) -> Frame | None:
    """Return the last frame of a key in a whole file."""
    end = len(data)
    while (at := data.rfind(key, HEADER_BYTES + 8, end)) >= 0:
        frame = None if at % 8 else decode_head(data, at - 8, salt)
        if frame is not None and frame.key == key and frame.end <= len(data):
            return frame
        end = at + len(key) - 1
    return None


def end_of_frames(data: bytes, salt: int) -> int:
    """Return where the last whole frame of a whole file ends."""
    if last_frame(data, salt, len(data)) is not None:
        return len(data)
    end = HEADER_BYTES
    for frame in scan(data[HEADER_BYTES:], salt, HEADER_BYTES):
        end = frame.end
    return end


def last_frame(data: bytes, salt: int, size: int) -> Frame | None:
    """Return the frame that ends where a file does; None if the tail is torn.

    Args:
        data: The last part of the file.
        salt: From the header.
        size: Of the file.
    """
    if size % 8 or len(data) < HEAD_BYTES + 8:
        return None
    length = last_length(data[-8:])
    if not HEAD_BYTES < length <= min(len(data), size - HEADER_BYTES):
        return None
    frame = decode_head(data, len(data) - length, salt, size - length)
    return frame if frame is not None and frame.end == size else None


def last_length(tail: bytes) -> int:
    """Return how long the last frame is, by the last 8 bytes of a file."""
    return int(_LENGTH.unpack(tail)[0])


def frame_bytes(payload_bytes: int) -> int:
    """Return how many bytes of the file a payload takes."""
    return HEAD_BYTES + (payload_bytes + 7 & ~7) + 8


def _next_magic(data: bytes, start: int) -> int:
    at = data.find(FRAME_MAGIC, start)
    while at % 8 and at >= 0:
        at = data.find(FRAME_MAGIC, at + 1)
    return at
