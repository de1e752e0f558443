"""One bucket file: find an entry without a lock, append one under a lock.

What a process has seen of the file is kept, and trusted for as long as the file's inode, size
and time are the same; when it has grown, only the new part is read. The bytes of :mod:`_frames`
are all that is ever in the file.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from persist_to_disk import _frames as frames
from persist_to_disk import _open_files
from persist_to_disk._append import open_to_append, prepare, set_time, write_at
from persist_to_disk._kept import kept
from persist_to_disk._reading import BINARY, catch_up, read_at, read_view
from persist_to_disk._values import decode
from persist_to_disk._view import signature_of, updating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from persist_to_disk._locks import Lock
    from persist_to_disk._quick import Watch
    from persist_to_disk._view import Signature, View

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
        self.name, self.number = str(path), int(path.stem)
        self.sidecars = path.with_suffix(".d")
        """The folder for the large results among its entries."""
        self.trust = trust
        self.watch: Watch | None = None
        """How hits see at one glance that no entry was replaced."""
        self._view: View | None = None

    def lacked(self, key: bytes) -> bool:
        """Say whether there was no entry when this process last looked."""
        view = self._view
        return view is not None and view.knows(key) and view.frame(key) is None

    def load(self, entry: Entry, module: str) -> Any:
        """Return the result that an entry holds; see :func:`decode`."""
        return decode(entry.flags, entry.payload, self.sidecars, module, trust=self.trust)

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
                if not (view and self._is_current(view, status, key)):
                    view = self._view = read_view(self.name, key, view, trust=self.trust)
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

    def seen(self, entry: Entry) -> tuple[Signature, bool] | None:
        """Say in which state of the file this process saw an entry; None if it is replaced.

        Returns:
            The state, and whether the file's time says when an entry is replaced.
        """
        view = self._view
        if view is None:
            return None
        signature, frame = view.signature, view.frame(entry.key)
        # Another thread may have replaced the entry.
        if frame is None or frame.written_ns != entry.written_ns:
            return None
        return signature, view.has_times

    def current(self) -> Iterator[frames.Frame]:
        """Yield the frames that count, one for each key, in no particular order."""
        try:
            self._view = read_view(self.name, None, self._view, trust=self.trust)
        except FileNotFoundError:
            self._view = None
        if self._view is not None:
            yield from self._view.entries()

    def append(
        self, key: bytes, payload: bytes, flags: int, lock: Lock, written_ns: int | None = None
    ) -> tuple[Entry | None, Entry]:
        """Add an entry, which replaces one of the same key.

        Args:
            key: 16 bytes.
            payload: What :mod:`_values` made of the result.
            flags: See :mod:`_frames`.
            lock: Shared by all writers of this file; not held yet.
            written_ns: When the result was stored first, nanoseconds since 1970; default now.

        Returns:
            The entry that was replaced, if this process knew of one, and the new one.

        Raises:
            UnsafePathError: Others may write to the file.
            OSError: It cannot be written; it holds what it held before.
        """
        written_ns = written_ns or time.time_ns()
        try:
            lock.acquire()
            known = self._view
            old = self.find(key) if known and known.frame(key) else None
            descriptor, status = self._open_to_append()
            try:
                view = prepare(descriptor, status, self.path, self._view, trust=self.trust)
                end, (inode, _, changed_ns) = view.end, view.signature
                frame, data = frames.make_frame(end, key, payload, flags, written_ns, view.salt)
                write_at(descriptor, data, end)
                if view.has_times:
                    is_new = view.frame(key) is None and view.knows(key)
                    changed_ns = set_time(descriptor, changed_ns, is_new=is_new)
                else:
                    changed_ns = os.fstat(descriptor).st_mtime_ns
            finally:
                _open_files.keep(self.name, descriptor, status)
            with updating():
                if view.end == end:  # no other thread has read it yet
                    view.append(frame, data)
                    view.signature = (inode, frame.end, changed_ns)
                self._view = view
        finally:
            lock.release()
        kept.put((self.name, frame), payload)
        return old, Entry(key, flags, written_ns, payload)

    def remove(self, lock: Lock) -> None:
        """Delete the file.

        Args:
            lock: As for :meth:`append`.
        """
        try:
            lock.acquire()
            self.path.unlink(missing_ok=True)
        finally:
            lock.release()
        self._view = None

    def _open_to_append(self) -> tuple[int, os.stat_result]:
        """Return a descriptor of the file, which may be new, and its status."""
        view = self._view
        taken = None if view is None else _open_files.take(self.name)
        if taken is not None and view is not None and taken[1].st_ino == view.signature[0]:
            return taken
        if taken is not None:
            os.close(taken[0])
        return open_to_append(self.path, is_known=view is not None, trust=self.trust)

    def _is_current(self, view: View, status: os.stat_result, key: bytes) -> bool:
        """Say whether a view tells about a key, having added to it what others appended."""
        if view.signature == signature_of(status):
            return view.knows(key)
        if view.frame(key) and view.is_unreplaced(status):
            return True
        return catch_up(self.name, view, status, key, trust=self.trust) and view.knows(key)

    def _read_payload(self, view: View, frame: frames.Frame) -> bytes | None:
        """Read a payload; None if the file is another one by now."""
        try:
            descriptor = _open_files.open_file(self.name, os.O_RDONLY | BINARY)
        except FileNotFoundError:
            return None
        try:
            if os.fstat(descriptor).st_ino != view.signature[0]:
                return None
            return read_at(descriptor, frame.length, frame.payload_offset)
        finally:
            os.close(descriptor)
