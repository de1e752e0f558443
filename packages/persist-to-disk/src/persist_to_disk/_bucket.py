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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from persist_to_disk._locks import Lock

log = logging.getLogger("persist_to_disk")

# Windows translates line ends unless told not to; elsewhere the flag does not exist.
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Entry(NamedTuple):
    """One cache entry as it is stored."""

    key: bytes
    flags: int
    written_ns: int
    payload: bytes


class _Seen(NamedTuple):
    """What this process knows of the file in one state of it."""

    signature: tuple[int, int, int]
    """Inode, size in bytes, time of the last change in ns."""
    salt: int
    end: int
    """Up to where the file was read: the end of the last whole frame."""
    latest: dict[bytes, frames.Frame]


class Bucket:
    """A bucket file, which need not exist yet."""

    def __init__(self, path: Path, *, trust: bool = False) -> None:
        self.path = path
        self.name = str(path)
        self.sidecars = path.with_suffix(".d")
        """The folder for the large results among its entries."""
        self._trust = trust
        self._seen: _Seen | None = None

    @property
    def signature(self) -> tuple[int, int, int] | None:
        """Inode, size and time of the last change, when this process last looked at it."""
        return self._seen.signature if self._seen else None

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
            except FileNotFoundError:
                self._seen = None
                return None
            seen = self._seen
            if seen is None or seen.signature != _signature(status):
                seen = self._refresh()
            if seen is None:
                return None
            frame = seen.latest.get(key)
            if frame is None or frame.flags & frames.FLAG_GONE:
                return None
            payload = kept.get((self.name, frame))
            if payload is None:
                payload = self._read_payload(seen, frame)
                if payload is None:
                    self._seen = None
                    continue
                if not frames.is_payload(frame, payload, seen.salt):
                    log.warning("%s: the entry at byte %d is damaged", self.path, frame.offset)
                    return None
                kept.put((self.name, frame), payload)
            return Entry(key, frame.flags, frame.written_ns, payload)
        return None

    def current(self) -> Iterator[frames.Frame]:
        """Yield the frames that count, one for each key, in no particular order."""
        try:
            seen = self._refresh()
        except FileNotFoundError:
            return
        if seen is not None:
            yield from (f for f in seen.latest.values() if not f.flags & frames.FLAG_GONE)

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
            old = self.find(key) if self._seen and key in self._seen.latest else None
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
        self._seen = None

    def _refresh(self) -> _Seen | None:
        """Read what is new in the file; None if it has no entries of this format."""
        descriptor = os.open(self.name, os.O_RDONLY | _BINARY)
        try:
            status = os.fstat(descriptor)
            if not self._trust:
                check_owner(self.name, status)
            header = frames.decode_header(_read_at(descriptor, frames.HEADER_BYTES, 0))
            if header is None or header[0] != frames.VERSION:
                self._seen = None
                return None
            salt, seen = header[1], self._seen
            grown = (
                seen is not None
                and seen.salt == salt
                and seen.signature[0] == status.st_ino
                and seen.signature[1] < status.st_size
            )
            old = seen if grown else None
            start = old.end if old else frames.HEADER_BYTES
            index = old.latest if old else {}
            data = _read_at(descriptor, max(status.st_size - start, 0), start)
        finally:
            os.close(descriptor)
        end = start
        for frame in frames.scan(data, salt, start):
            index[frame.key] = frame
            end = frame.end
        self._seen = _Seen(_signature(status), salt, end, index)
        return self._seen

    def _read_payload(self, seen: _Seen, frame: frames.Frame) -> bytes | None:
        """Read a payload; None if the file is another one by now."""
        try:
            descriptor = os.open(self.name, os.O_RDONLY | _BINARY)
        except FileNotFoundError:
            return None
        try:
            if os.fstat(descriptor).st_ino != seen.signature[0]:
                return None
            return _read_at(descriptor, frame.length, frame.payload_offset)
        finally:
            os.close(descriptor)

    def _open_to_append(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | _BINARY
        mode = SHARED_FILE if self._trust else PRIVATE_FILE
        try:
            descriptor = os.open(self.name, flags, mode)
        except FileNotFoundError:
            make_folder(self.path.parent, trust=self._trust)
            descriptor = os.open(self.name, flags, mode)
        if self._seen is None and _read_at(descriptor, 1, 0) == frames.OLD_PICKLE:
            os.close(descriptor)
            set_aside(self.path)
            descriptor = os.open(self.name, flags, mode)
        return descriptor

    def _prepare(self, descriptor: int) -> tuple[int, int]:
        """Make the file ready for the next frame; return the salt and where that goes."""
        status = os.fstat(descriptor)
        if not self._trust:
            check_owner(self.name, status)
        seen = self._seen
        if seen and seen.signature == _signature(status) and seen.end == status.st_size:
            return seen.salt, seen.end  # nobody wrote since this process read it
        start = _read_at(descriptor, frames.HEADER_BYTES, 0)
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
        seen = self._seen
        if end == frames.HEADER_BYTES:
            latest = {}
        elif seen and (seen.signature[0], seen.salt, seen.end) == (status.st_ino, salt, end):
            latest = seen.latest
        else:
            return frame
        latest[frame.key] = frame
        self._seen = _Seen(_signature(status), salt, frame.end, latest)
        return frame


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _end_of_frames(descriptor: int, size: int, salt: int) -> int:
    """Return where the last whole frame ends: at ``size``, unless a writer was killed."""
    if size == frames.HEADER_BYTES:
        return size
    if size % 8 == 0:
        length = frames.last_length(_read_at(descriptor, 8, size - 8))
        if frames.HEAD_BYTES < length <= size - frames.HEADER_BYTES:
            head = _read_at(descriptor, frames.HEAD_BYTES, size - length)
            frame = frames.decode_head(head, 0, salt, size - length)
            if frame is not None and frame.end == size:
                return size
    data = _read_at(descriptor, size - frames.HEADER_BYTES, frames.HEADER_BYTES)
    end = frames.HEADER_BYTES
    for frame in frames.scan(data, salt, frames.HEADER_BYTES):
        end = frame.end
    return end


def _read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read up to ``size`` bytes; fewer only at the end of the file."""
    parts: list[bytes] = []
    os.lseek(descriptor, offset, os.SEEK_SET)
    while size > 0 and (part := os.read(descriptor, min(size, 1 << 30))):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
