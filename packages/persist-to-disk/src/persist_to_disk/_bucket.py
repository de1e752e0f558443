"""One bucket file: find an entry without a lock, append one under a lock.

What a process has seen of the file is kept, and trusted for as long as the file's inode, size
and time are the same; when it has grown, only the new part is read. The bytes of :mod:`_frames`
are all that is ever in the file.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from persist_to_disk import _frames as frames
from persist_to_disk._guard import PRIVATE_FILE, SHARED_FILE, check_owner, make_folder
from persist_to_disk._kept import kept
from persist_to_disk._old import set_aside
from persist_to_disk._values import decode
from persist_to_disk._view import (
    BINARY,
    Signature,
    View,
    read_at,
    read_view,
    signature_of,
    updating,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from persist_to_disk._locks import Lock

log = logging.getLogger("persist_to_disk")


class Entry(NamedTuple):
    """One cache entry as it is stored."""

    key: bytes
    flags: int
    written_ns: int
    payload: bytes


class Bucket:
    """A bucket file, which need not exist yet."""

    def __init__(self, path: Path, *, trust: bool = False) -> None:
        self.path = path
        self.name = str(path)
        self.sidecars = path.with_suffix(".d")
        """The folder for the large results among its entries."""
        self._trust = trust
        self._view: View | None = None

    @property
    def signature(self) -> Signature | None:
        """Inode, size and time of the last change, when this process last looked at it."""
        return self._view.signature if self._view else None

    def load(self, entry: Entry) -> Any:
        """Return the result that an entry holds; see :func:`decode`."""
        return decode(entry.flags, entry.payload, self.sidecars, trust=self._trust)

    def find(self, key: bytes) -> Entry | None:
        """Return the entry of a key, or None.

        Raises:
            UnsafePathError: Others may write to the file.
            OSError: The file is there and cannot be read.
        """
        for _ in range(3):  # again if the file is replaced between looking and reading
            try:
                status = os.stat(self.name)  # noqa: PTH116 -- three times faster as it is
                view = self._view
                if not (view and view.signature == signature_of(status) and view.knows(key)):
                    view = self._view = read_view(self.name, key, view, trust=self._trust)
            except FileNotFoundError:
                view = self._view = None
            frame = None if view is None else view.frame(key)
            if view is None or frame is None:
                return None
            payload = kept.get((self.name, frame))
            if payload is None:
                payload = self._read_payload(view, frame)
                if payload is None:
                    self._view = None
                    continue
                if not frames.is_payload(frame, payload, view.salt):
                    log.warning("%s: the entry at byte %d is damaged", self.path, frame.offset)
                    return None
                kept.put((self.name, frame), payload)
            return Entry(key, frame.flags, frame.written_ns, payload)
        return None

    def current(self) -> Iterator[frames.Frame]:
        """Yield the frames that count, one for each key, in no particular order."""
        try:
            self._view = read_view(self.name, None, self._view, trust=self._trust)
        except FileNotFoundError:
            self._view = None
        if self._view is not None:
            yield from self._view.entries()

    def append(
        self, key: bytes, payload: bytes, flags: int, lock: Lock
    ) -> tuple[Entry | None, Entry]:
        """Add an entry, which replaces one of the same key.

        Args:
            key: 16 bytes.
            payload: What :mod:`_values` made of the result.
            flags: See :mod:`_frames`.
            lock: Shared by all writers of this file; not held yet.

        Returns:
            The entry that was replaced, if this process knew of one, and the new one.

        Raises:
            UnsafePathError: Others may write to the file.
            OSError: It cannot be written; it holds what it held before.
        """
        written_ns = time.time_ns()
        lock.acquire()
        try:
            old = self.find(key) if self._view and self._view.frame(key) else None
            descriptor = self._open_to_append()
            try:
                salt, end = self._prepare(descriptor)
                data = frames.encode_frame(key, payload, flags, written_ns, salt)
                _write_at(descriptor, data, end)
                frame = self._note_append(os.fstat(descriptor), salt, end, data)
            finally:
                os.close(descriptor)
        finally:
            lock.release()
        kept.put((self.name, frame), payload)
        return old, Entry(key, flags, written_ns, payload)

    def remove(self, lock: Lock) -> None:
        """Delete the file.

        Args:
            lock: As for :meth:`append`.
        """
        lock.acquire()
        try:
            self.path.unlink(missing_ok=True)
        finally:
            lock.release()
        self._view = None

    def _read_payload(self, view: View, frame: frames.Frame) -> bytes | None:
        """Read a payload; None if the file is another one by now."""
        try:
            descriptor = os.open(self.name, os.O_RDONLY | BINARY)
        except FileNotFoundError:
            return None
        try:
            if os.fstat(descriptor).st_ino != view.signature[0]:
                return None
            return read_at(descriptor, frame.length, frame.payload_offset)
        finally:
            os.close(descriptor)

    def _open_to_append(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | BINARY
        mode = SHARED_FILE if self._trust else PRIVATE_FILE
        try:
            descriptor = os.open(self.name, flags, mode)
        except FileNotFoundError:
            make_folder(self.path.parent, trust=self._trust)
            descriptor = os.open(self.name, flags, mode)
        if self._view is None and read_at(descriptor, 1, 0) == frames.OLD_PICKLE:
            os.close(descriptor)
            set_aside(self.path)
            descriptor = os.open(self.name, flags, mode)
        return descriptor

    def _prepare(self, descriptor: int) -> tuple[int, int]:
        """Make the file ready for the next frame; return the salt and where that goes."""
        status = os.fstat(descriptor)
        if not self._trust:
            check_owner(self.name, status)
        view = self._view
        if view and view.signature == signature_of(status) and view.end == status.st_size:
            return view.salt, view.end  # nobody wrote since this process read it
        start = read_at(descriptor, frames.HEADER_BYTES, 0)
        header = frames.decode_header(start)
        if header is None:
            whole = len(start) == frames.HEADER_BYTES
            if whole or not frames.FILE_MAGIC.startswith(start[: len(frames.FILE_MAGIC)]):
                raise OSError(errno.EINVAL, "not a bucket file of this package", self.name)
            os.ftruncate(descriptor, 0)
            data = frames.new_header()
            _write_at(descriptor, data, 0)
            header = frames.decode_header(data)
            assert header is not None  # noqa: S101 -- just made
            return header[1], len(data)
        version, salt = header
        if version != frames.VERSION:
            raise OSError(errno.EINVAL, f"written by a newer version ({version})", self.name)
        end = _end_of_frames(descriptor, status.st_size, salt)
        if end != status.st_size:
            log.info("%s: cutting off %d bytes of a torn entry", self.path, status.st_size - end)
            os.ftruncate(descriptor, end)
        return salt, end

    def _note_append(
        self, status: os.stat_result, salt: int, end: int, data: bytes
    ) -> frames.Frame:
        """Take note of an own entry, unless others' entries before it are unknown."""
        frame = frames.decode_head(data, 0, salt, end)
        assert frame is not None  # noqa: S101 -- just made
        with updating():
            view = self._view
            if end == frames.HEADER_BYTES:
                view = View(signature_of(status), salt, end)
                view.is_complete = True
            place = status.st_ino, salt, end
            if view is None or (view.signature[0], view.salt, view.end) != place:
                return frame
            view.latest[frame.key] = frame
            view.end, view.signature = frame.end, signature_of(status)
            self._view = view
        return frame


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


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of it, or leave the file as long as it was."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(descriptor, left[: 1 << 30]) :]
    except OSError:
        os.ftruncate(descriptor, offset)
        raise
