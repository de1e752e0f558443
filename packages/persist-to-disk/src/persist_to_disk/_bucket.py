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
from persist_to_disk._append import Place, open_to_append, prepare, set_time, write_at
from persist_to_disk._kept import kept
from persist_to_disk._values import decode
from persist_to_disk._view import (
    BINARY,
    View,
    catch_up,
    is_unreplaced,
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
        self.name, self.number = str(path), int(path.stem)
        self.sidecars = path.with_suffix(".d")
        """The folder for the large results among its entries."""
        self.trust = trust
        self._view: View | None = None

    def frame(self, key: bytes) -> frames.Frame | None:
        """Return where an entry was when this process last looked."""
        return None if self._view is None else self._view.frame(key)

    def lacked(self, key: bytes) -> bool:
        """Say whether there was no entry when this process last looked."""
        view = self._view
        return view is not None and view.knows(key) and view.frame(key) is None

    def load(self, entry: Entry) -> Any:
        """Return the result that an entry holds; see :func:`decode`."""
        return decode(entry.flags, entry.payload, self.sidecars, trust=self.trust)

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

    def has_still(self, key: bytes, frame: frames.Frame, status: os.stat_result) -> bool:
        """Say whether it is certain that an entry still counts.

        Args:
            key: Its key.
            frame: Where this process saw it.
            status: Of the file, which has changed since.
        """
        view = self._view
        return bool(view and self._is_current(view, status, key) and view.frame(key) == frame)

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
        lock.acquire()
        try:
            old = self.find(key) if self._view and self._view.frame(key) else None
            descriptor = open_to_append(
                self.path, is_known=self._view is not None, trust=self.trust
            )
            try:
                place = prepare(descriptor, self.path, self._view, trust=self.trust)
                frame, data = frames.make_frame(
                    place.end, key, payload, flags, written_ns, place.salt
                )
                write_at(descriptor, data, place.end)
                if self.trust:
                    changed_ns = os.fstat(descriptor).st_mtime_ns
                else:
                    is_new = self._is_new(key, place.end)
                    changed_ns = set_time(descriptor, place.changed_ns, is_new=is_new)
                self._note_append(place, frame, changed_ns)
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

    def _is_current(self, view: View, status: os.stat_result, key: bytes) -> bool:
        """Say whether a view tells about a key, having added to it what others appended."""
        if not self.trust and view.frame(key) and is_unreplaced(view.signature, status):
            return True
        if view.signature == signature_of(status):
            return view.knows(key)
        return catch_up(self.name, view, status, key, trust=self.trust) and view.knows(key)

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

    def _is_new(self, key: bytes, end: int) -> bool:
        """Say whether it is certain that a file which ended there had no entry of a key."""
        view = self._view
        if view is None or view.end != end:
            return False
        return view.knows(key) and view.latest.get(key) is None

    def _note_append(self, place: Place, frame: frames.Frame, changed_ns: int) -> None:
        """Take note of an own entry, unless others' entries before it are unknown."""
        with updating():
            view = self._view
            if place.end == frames.HEADER_BYTES:
                view = self._view = View((place.inode, 0, 0), place.salt, place.end)
                view.is_complete = True
            if view is None:
                return
            if (view.signature[0], view.salt, view.end) == (place.inode, place.salt, place.end):
                view.latest[frame.key] = frame
                view.end = frame.end
                view.signature = (place.inode, frame.end, changed_ns)
