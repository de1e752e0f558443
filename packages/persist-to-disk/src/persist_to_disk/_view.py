"""What one process knows of a bucket file, and how it comes to know more.

A key is first looked for from the end of the file backwards, without looking at anything else:
most processes want few entries. Whoever asks for many keys gets an index of all of them, and so
does whoever reads a very small file. When a file has grown, only the new part is read.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from persist_to_disk import _frames as frames
from persist_to_disk._guard import check_owner
from persist_to_disk._kept import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX_AFTER_LOOKUPS = 16
INDEX_BELOW_BYTES = 2 << 10
INDEX_OVER_BYTES = 4 << 20

# Windows translates line ends unless told not to; elsewhere the flag does not exist.
BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

Signature = tuple[int, int, int]
"""Inode, size in bytes, and time of the last change in nanoseconds."""


class View:
    """What is known of a file in one state of it."""

    __slots__ = ("end", "is_complete", "latest", "lookups", "salt", "signature")

    def __init__(self, signature: Signature, salt: int, end: int) -> None:
        self.signature, self.salt, self.end = signature, salt, end
        """``end`` is that of the last whole frame."""
        self.latest: dict[bytes, frames.Frame | None] = {}
        """The frame that counts for a key; None if the key is known to have none."""
        self.is_complete = False
        """Whether a key that is not in ``latest`` has no frame."""
        self.lookups = 0

    def knows(self, key: bytes) -> bool:
        """Say whether it is known if the file has an entry of a key."""
        return self.is_complete or key in self.latest

    def frame(self, key: bytes) -> frames.Frame | None:
        """Return the frame of a key, unless there is none or it says the entry is gone."""
        frame = self.latest.get(key)
        return None if frame is None or frame.flags & frames.FLAG_GONE else frame

    def entries(self) -> Iterator[frames.Frame]:
        """Yield the frames that count; all of them if the view is complete."""
        for key in list(self.latest):
            if (frame := self.frame(key)) is not None:
                yield frame


_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 -- the forked thread may not be the one that holds it
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def updating() -> threading.Lock:
    """Return the lock of the thread that changes a view; looking at one takes none."""
    return _lock


def signature_of(status: os.stat_result) -> Signature:
    """Return what tells one state of a file from another."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def is_unreplaced(before: Signature, status: os.stat_result) -> bool:
    """Say whether the entries that a file had are still its entries, by its status alone.

    A writer that adds a key leaves the file's time as it was, see :mod:`_append`.
    """
    inode, size, changed_ns = before
    return changed_ns == status.st_mtime_ns and size <= status.st_size and inode == status.st_ino


def read_view(name: str, key: bytes | None, before: View | None, *, trust: bool) -> View | None:
    """Read as much of a file as is needed to know about a key.

    Args:
        name: The path of the bucket file.
        key: The key; None to know about all.
        before: What was known. It may be changed and returned.
        trust: Read it even if others may write to it.

    Returns:
        None if the file is no bucket of this version.

    Raises:
        UnsafePathError: Others may write to the file.
        OSError: It cannot be read.
    """
    with updating():
        return _read_view(name, key, before, trust)


def catch_up(
    name: str, view: View, status: os.stat_result, key: bytes | None = None, *, trust: bool
) -> bool:
    """Read what was appended to a file since it was last looked at, and nothing else.

    The checksums, salted for each file, tell whether it is still the same one.

    Args:
        name: The path of the bucket file.
        view: What is known; changed.
        status: Of the file now.
        key: A key whose payload is kept if it is among what was appended.
        trust: Read it even if others may write to it.

    Returns:
        Whether the file has only grown by whole frames; if not, the view is as it was.

    Raises:
        UnsafePathError: Others may write to the file.
        OSError: It cannot be read.
    """
    with updating():
        if view.signature == signature_of(status):  # another thread was here
            return True
        if view.signature[0] != status.st_ino or view.signature[1] >= status.st_size:
            return False
        if not trust:
            check_owner(name, status)
        descriptor = os.open(name, os.O_RDONLY | BINARY)
        try:
            data = read_at(descriptor, status.st_size - view.end, view.end)
        finally:
            os.close(descriptor)
        base = view.end
        if not extend(view, data, status):
            return False
        frame = None if key is None else view.latest.get(key)
        if frame is not None and frame.offset >= base:
            _keep_payload(name, frame, data, base, view.salt)
        return True


def extend(view: View, data: bytes, status: os.stat_result) -> bool:
    """Add to a view what follows its end; False, and no change, if that is no whole frames.

    Args:
        view: What is known.
        data: The file from the end of the view on.
        status: Of the file with this data.
    """
    if len(data) != status.st_size - view.end:
        return False
    found = list(frames.whole_frames(data, view.salt, view.end))
    if not found or found[-1].end != status.st_size:
        return False
    view.latest.update((frame.key, frame) for frame in found)
    view.end, view.signature = status.st_size, signature_of(status)
    return True


def _read_view(name: str, key: bytes | None, before: View | None, trust: bool) -> View | None:
    descriptor = os.open(name, os.O_RDONLY | BINARY)
    try:
        status = os.fstat(descriptor)
        if not trust:
            check_owner(name, status)
        data = read_at(descriptor, status.st_size, 0)
    finally:
        os.close(descriptor)
    header = frames.decode_header(data[: frames.HEADER_BYTES])
    if header is None or header[0] != frames.VERSION:
        return None
    salt = header[1]
    view = before if before and _is_same_file(before, status, salt) else None
    if view is not None and view.signature != signature_of(status):  # grown, with damage in it
        _scan(view, data[view.end :])
        view.signature = signature_of(status)
    if view is None:
        view = View(signature_of(status), salt, frames.HEADER_BYTES)
    if key is not None and view.knows(key):
        return view
    view.lookups += 1
    is_one_of_many = view.lookups > INDEX_AFTER_LOOKUPS
    if key is None or is_one_of_many or not INDEX_BELOW_BYTES < len(data) <= INDEX_OVER_BYTES:
        view.end = frames.HEADER_BYTES
        _scan(view, data[frames.HEADER_BYTES :])
        view.is_complete = True
    else:
        if view.end == frames.HEADER_BYTES:
            view.end = frames.end_of_frames(data, salt)
        view.latest[key] = frames.find_last(data, key, salt)
    frame = None if key is None else view.latest.get(key)
    if frame is not None:
        _keep_payload(name, frame, data, 0, salt)
    return view


def _keep_payload(name: str, frame: frames.Frame, data: bytes, base: int, salt: int) -> None:
    start = frame.payload_offset - base
    payload = data[start : start + frame.length]
    if frames.is_payload(frame, payload, salt):
        kept.put((name, frame), payload)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read up to ``size`` bytes; fewer only at the end of the file."""
    parts: list[bytes] = []
    while size > 0 and (part := _pread(descriptor, min(size, 1 << 30), offset)):
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _seek_and_read(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


# Windows has no pread; there, no two threads share a descriptor of a bucket either.
_pread = getattr(os, "pread", _seek_and_read)


def _is_same_file(view: View, status: os.stat_result, salt: int) -> bool:
    """Say whether a file has at most grown."""
    inode, size, _ = view.signature
    same = view.salt == salt and inode == status.st_ino
    return same and (view.signature == signature_of(status) or size < status.st_size)


def _scan(view: View, data: bytes) -> None:
    for frame in frames.scan(data, view.salt, view.end):
        view.latest[frame.key] = frame
        view.end = frame.end
