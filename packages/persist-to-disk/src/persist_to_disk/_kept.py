"""The stored bytes of recently used entries, so that a hit need not read the file again.

Bytes are kept and not results: each hit makes a result of its own, which its caller may change.
"""

from __future__ import annotations

import os
import threading

LIMIT_BYTES = 64 << 20
Place = tuple[str, tuple[object, ...]]
"""The path of the bucket, and the frame with its salted checksum."""


class Kept:
    """Up to :data:`LIMIT_BYTES` of payloads; the oldest go first."""

    def __init__(self) -> None:
        self._payloads: dict[Place, bytes] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self.get = self._payloads.get

    def put(self, place: Place, payload: bytes) -> None:
        """Keep the payload that is stored at a place."""
        with self._lock:
            if place in self._payloads:
                return
            self._payloads[place] = payload
            self._bytes += len(payload)
            while self._bytes > LIMIT_BYTES:
                oldest = next(iter(self._payloads))
                self._bytes -= len(self._payloads.pop(oldest))

    def renew_lock(self) -> None:
        """Begin a forked process with a lock that no other thread of its parent holds."""
        self._lock = threading.Lock()


kept = Kept()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=kept.renew_lock)
