"""Write at the end of a bucket file, under the lock of its writers.

What is written reaches the kernel, and no further: an entry outlives its process, however that
ends. It is not forced to the disk, for that takes a thousand times as long, and a cache that
loses power can compute again: what the disk had not yet is lost, and noticed as torn.

The file's time of change says when an entry was last *replaced*. Whoever adds an entry of a new
key sets it back to what it was; whoever replaces one moves it on, by more than the clock of the
file system may have missed. So readers need not look at what others added to know that the
entries they know are still the ones that count. Files that several users write to (``trust``)
have no such times, as only a file's owner may set them, nor have they on Windows.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from typing import TYPE_CHECKING

from persist_to_disk import _frames as frames
from persist_to_disk._guard import PRIVATE_FILE, SHARED_FILE, check_owner, make_folder
from persist_to_disk._old import set_aside
from persist_to_disk._open_files import open_file
from persist_to_disk._reading import BINARY, extend, read_at
from persist_to_disk._view import CAN_SET_TIMES, View, signature_of, updating

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEPS_NS = (1, 1_000, 1_000_000, 2_000_000_000)
"""The resolutions that file systems have, the finest first."""

log = logging.getLogger("persist_to_disk")


def open_to_append(path: Path, *, is_known: bool, trust: bool) -> tuple[int, os.stat_result]:
    """Return a descriptor of a bucket file, which is created if need be, and its status.

    Args:
        path: A file of version 0.0.7 is moved out of the way.
        is_known: It is a bucket of this version.
        trust: Let others read the file, as far as the umask says.

    Raises:
        OSError: It cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | BINARY
    mode = SHARED_FILE if trust else PRIVATE_FILE
    try:
        descriptor = open_file(path, flags, mode)
    except FileNotFoundError:
        make_folder(path.parent, trust=trust)
        descriptor = open_file(path, flags, mode)
    if not is_known and read_at(descriptor, 1, 0) == frames.OLD_PICKLE:
        os.close(descriptor)
        set_aside(path)
        descriptor = open_file(path, flags, mode)
    return descriptor, os.fstat(descriptor)


def prepare(
    descriptor: int, status: os.stat_result, path: Path, view: View | None, *, trust: bool
) -> View:
    """Make a file ready for the next frame, all of it whole frames.

    Args:
        descriptor: Of the file.
        status: Of the file.
        path: Named in errors.
        view: What is known of it; what others have appended is added.
        trust: Write to it even if others may too.

    Returns:
        What is known of the file now, its end and its time in any case.

    Raises:
        UnsafePathError: Others may write to the file.
        OSError: It is no bucket of this version.
    """
    if not trust:
        check_owner(path, status)
    if view is not None and _is_up_to_date(view, descriptor, status):
        return view
    has_times = CAN_SET_TIMES and not trust
    start = read_at(descriptor, frames.HEADER_BYTES, 0)
    header = frames.decode_header(start)
    if header is None:
        # Empty, torn by a killed writer, or zeros, which a power failure may leave behind.
        is_torn = len(start) < frames.HEADER_BYTES and frames.FILE_MAGIC.startswith(start[:8])
        if any(start) and not is_torn:
            raise OSError(errno.EINVAL, "not a bucket file of this package", str(path))
        if start:
            os.ftruncate(descriptor, 0)
        salt, data = frames.new_header()
        write_at(descriptor, data, 0)
        # The file system's clock may stand still from one file to another that takes its number.
        signature = (status.st_ino, len(data), time.time_ns())
        view = View(signature, salt, len(data), has_times=has_times)
        view.is_complete = True
        return view
    version, salt = header
    if version != frames.VERSION:
        raise OSError(errno.EINVAL, f"written by a newer version ({version})", str(path))
    end = _end_of_frames(descriptor, status.st_size, salt)
    if end != status.st_size:
        log.info("%s: cutting off %d bytes of a torn entry", path, status.st_size - end)
        os.ftruncate(descriptor, end)
    return View((status.st_ino, end, status.st_mtime_ns), salt, end, has_times=has_times)


def set_time(descriptor: int, before_ns: int, *, is_new: bool) -> int:
    """Say by a file's time whether an entry was added or replaced; return that time.

    Args:
        descriptor: Of the file, in which the entry is written.
        before_ns: The time of the file before that.
        is_new: The key had no entry.
    """
    if is_new:
        os.utime(descriptor, ns=(before_ns, before_ns))
        return before_ns
    # More precise than the times of the file system, so that it is none of these.
    changed_ns = time.time_ns()
    for step_ns in STEPS_NS:
        changed_ns = max(changed_ns, before_ns + step_ns)
        os.utime(descriptor, ns=(changed_ns, changed_ns))
        found_ns = os.fstat(descriptor).st_mtime_ns
        if found_ns > before_ns:
            return found_ns
    return before_ns


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of it, or leave the file as long as it was.

    Raises:
        OSError: It cannot be written.
    """
    left, at = data, offset
    try:
        while left:
            written = _pwrite(descriptor, left, at)
            left, at = left[written:], at + written
    except OSError:
        os.ftruncate(descriptor, offset)
        raise


def _seek_and_write(descriptor: int, data: bytes, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


_pwrite: Callable[[int, bytes, int], int] = getattr(os, "pwrite", _seek_and_write)


def _is_up_to_date(view: View, descriptor: int, status: os.stat_result) -> bool:
    """Say whether all of a file is known and whole, having read what others appended."""
    with updating():
        if view.signature == signature_of(status):
            return view.end == status.st_size
        if view.signature[0] != status.st_ino or view.signature[1] >= status.st_size:
            return False
        return extend(view, read_at(descriptor, status.st_size - view.end, view.end), status)


def _end_of_frames(descriptor: int, size: int, salt: int) -> int:
    """Return where the last whole frame ends: at ``size``, unless a writer was killed."""
    if size == frames.HEADER_BYTES:
        return size
    if size % 8 == 0:
        length = frames.last_length(read_at(descriptor, 8, size - 8))
        if frames.HEAD_BYTES < length <= size - frames.HEADER_BYTES:
            head = read_at(descriptor, frames.HEAD_BYTES, size - length)
            frame = frames.decode_head(head, 0, salt, size - length)
            if frame is not None and frame.end == size:
                return size
    return frames.end_of_frames(read_at(descriptor, size, 0), salt)
