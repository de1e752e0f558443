"""Look for entries in a bucket file.

A key is first looked for from the end of the file backwards, without looking at anything else:
most processes want few entries. Whoever asks for many keys gets an index of all of them, and so
does whoever reads a very small file. When a file has grown, only the new part is read; and where
that can hold nothing but entries of new keys, no more than is needed to see that it is whole.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

from persist_to_disk import _frames as frames
from persist_to_disk import _open_files
from persist_to_disk._guard import check_owner
from persist_to_disk._kept import kept
from persist_to_disk._view import CAN_SET_TIMES, View, signature_of, updating

INDEX_AFTER_LOOKUPS = 16
INDEX_BELOW_BYTES = 2 << 10
INDEX_OVER_BYTES = 4 << 20
SURE_BYTES = 1 << 30

# Windows translates line ends unless told not to; elsewhere the flag does not exist.
BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


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
        base = view.end
        data = _read_file(name, status, base)
        if not extend(view, data, status):
            return False
        frame = view.frame(key) if key is not None and key in data else None
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
    # At an unchanged time, no key has two frames: those known need no second look.
    if not (view.is_unreplaced(status) and view.put_off(data)):
        found = list(frames.whole_frames(data, view.salt, view.end))
        if not found or found[-1].end != status.st_size:
            return False
        view.add(found)
    view.signature = signature_of(status)
    return True


def _read_view(name: str, key: bytes | None, before: View | None, trust: bool) -> View | None:
    descriptor = _open_files.open_file(name, os.O_RDONLY | BINARY)
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
    if view is None:
        has_times = CAN_SET_TIMES and not trust
        view = View(signature_of(status), salt, frames.HEADER_BYTES, has_times=has_times)
    elif view.signature != signature_of(status):  # grown, with damage in it
        view.add(frames.scan(data[view.end :], salt, view.end))
        view.signature = signature_of(status)
    if key is not None and view.knows(key):
        return view
    view.lookups += 1
    is_one_of_many = view.lookups > INDEX_AFTER_LOOKUPS
    if key is None or is_one_of_many or not INDEX_BELOW_BYTES < len(data) <= INDEX_OVER_BYTES:
        view.add(frames.scan(data[frames.HEADER_BYTES :], salt, frames.HEADER_BYTES))
        view.is_complete = True
    else:
        if view.end == frames.HEADER_BYTES:
            view.end = frames.end_of_frames(data, salt)
        view.note(key, frames.find_last(data, key, salt))
    frame = None if key is None else view.frame(key)
    if frame is not None:
        _keep_payload(name, frame, data, 0, salt)
    return view


def _keep_payload(name: str, frame: frames.Frame, data: bytes, base: int, salt: int) -> None:
    start = frame.payload_offset - base
    payload = data[start : start + frame.length]
    if frames.is_payload(frame, payload, salt):
        kept.put((name, frame), payload)


def _read_file(name: str, status: os.stat_result, start: int) -> bytes:
    """Read a file from a byte on, up to the size it has."""
    descriptor = _open_files.peek(name, status.st_ino)
    if descriptor is not None:
        with suppress(OSError):
            return read_at(descriptor, status.st_size - start, start)
    descriptor = _open_files.open_file(name, os.O_RDONLY | BINARY)
    try:
        return read_at(descriptor, status.st_size - start, start)
    finally:
        os.close(descriptor)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read up to ``size`` bytes; fewer only at the end of the file.

    Raises:
        OSError: It cannot be read, or is larger than the memory, as a file with a hole may be.
    """
    if size > SURE_BYTES and size > _memory_bytes():
        raise OSError(errno.EFBIG, f"{size} bytes are more than the memory has room for")
    parts: list[bytes] = []
    try:
        while size > 0 and (part := _pread(descriptor, min(size, 1 << 30), offset)):
            parts.append(part)
            size -= len(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except MemoryError:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from None


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # unknown to this system
        return sys.maxsize


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
