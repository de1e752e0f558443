"""What one process knows of a bucket file: which entries it has, in one state of it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from persist_to_disk import _frames as frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_UNREAD_BYTES = 4 << 10

CAN_SET_TIMES = os.utime in os.supports_fd

Signature = tuple[int, int, int]
"""Inode, size in bytes, and time of the last change in nanoseconds."""


class View:
    """What is known of a file in one state of it.

    Args:
        signature: Of the file in that state.
        salt: From the file's header.
        end: Where the last whole frame ends, of those that were looked at.
        has_times: The file's time says when an entry was last replaced, see :mod:`_append`.
    """

    __slots__ = (
        "_latest", "_unread", "end", "has_times", "is_complete", "lookups", "salt", "signature",
    )  # fmt: skip

    def __init__(self, signature: Signature, salt: int, end: int, *, has_times: bool) -> None:
        self.signature, self.salt, self.end = signature, salt, end
        self.has_times = has_times
        self._latest: dict[bytes, frames.Frame | None] = {}
        """The frame that counts for a key; None if the key is known to have none."""
        self._unread = b""
        """What others added before :attr:`end`: entries of keys that had none."""
        self.is_complete = False
        """Whether all frames up to :attr:`end` are known."""
        self.lookups = 0

    def knows(self, key: bytes) -> bool:
        """Say whether it is known if the file has an entry of a key."""
        return self.is_complete or self.frame(key) is not None or key in self._latest

    def frame(self, key: bytes) -> frames.Frame | None:
        """Return the frame of a key; None if it has none, or is not known."""
        unread = self._unread  # looked at first: once it is read, its frames are in the other
        frame = self._latest.get(key)
        if frame is None and unread and key in unread:
            self.read()
            frame = self._latest.get(key)
        return frame

    def entries(self) -> Iterator[frames.Frame]:
        """Yield the frames that count; all of them if the view is complete."""
        self.read()
        yield from [frame for frame in self._latest.values() if frame is not None]

    def is_unreplaced(self, status: os.stat_result) -> bool:
        """Say whether the entries known are still the file's, by its status alone."""
        inode, size, changed_ns = self.signature
        return (
            changed_ns == status.st_mtime_ns
            and size <= status.st_size
            and inode == status.st_ino
            and self.has_times
        )

    def note(self, key: bytes, frame: frames.Frame | None) -> None:
        """Take note of the last frame of a key, or that it has none."""
        self._latest[key] = frame

    def add(self, found: Iterable[frames.Frame]) -> None:
        """Take note of the frames that follow the end."""
        self.read()
        for frame in found:
            self._latest[frame.key] = frame
            self.end = frame.end

    def append(self, frame: frames.Frame, data: bytes) -> None:
        """Take note of an entry that this process added at the end."""
        if self._unread:
            if len(self._unread) + len(data) <= MOST_UNREAD_BYTES:
                self._unread += data
            else:
                self.read()
        self._latest[frame.key] = frame
        self.end = frame.end

    def put_off(self, data: bytes) -> bool:
        """Take note of more entries of new keys, to be read when one of them is asked for.

        Returns:
            False if it is too much of them, or no whole frames.
        """
        end = self.end + len(data)
        if len(self._unread) + len(data) > MOST_UNREAD_BYTES:
            return False
        if frames.last_frame(data, self.salt, end) is None:
            return False
        self._unread += data
        self.end = end
        return True

    def read(self) -> None:
        """Read what was put off."""
        if self._unread:
            with updating():
                start = self.end - len(self._unread)
                for frame in frames.scan(self._unread, self.salt, start):
                    self._latest[frame.key] = frame
                self._unread = b""


_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 -- the forked thread may not be the one that holds it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def updating() -> threading.RLock:
    """Return the lock of the thread that changes a view; looking at one takes none."""
    return _lock


def signature_of(status: os.stat_result) -> Signature:
    """Return what tells one state of a file from another."""
    return status.st_ino, status.st_size, status.st_mtime_ns
