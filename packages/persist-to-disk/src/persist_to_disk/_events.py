"""What other packages may listen to: which cache entries are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from expcore import Signal, digest_bytes
from persist_to_disk._frames import FLAG_SIDECAR
from persist_to_disk._values import sidecar_facts, sidecar_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from persist_to_disk._bucket import Entry


class EntryUsed(NamedTuple):
    """A cache entry was read (a hit) or written (a miss)."""

    function: str
    """Module and qualified name."""
    entry: Entry
    bucket: Path
    sidecars: Path
    hit: bool

    @property
    def path(self) -> Path:
        """The file that holds the result: the bucket, or the sidecar of a large one."""
        if self.entry.flags & FLAG_SIDECAR:
            return sidecar_path(self.entry.payload, self.sidecars)
        return self.bucket

    @property
    def digest(self) -> str:
        """The digest of the stored result."""
        if self.entry.flags & FLAG_SIDECAR:
            return sidecar_facts(self.entry.payload)[1]
        return digest_bytes(self.entry.payload)


class _Used(Signal[EntryUsed]):
    """A signal that knows whether anyone listens, for a hit takes less time than telling."""

    listeners = 0

    def connect(self, receiver: Callable[[EntryUsed], object]) -> Callable[[], None]:
        disconnect = super().connect(receiver)
        self.listeners += 1
        connected = [None]

        def leave() -> None:
            if connected:
                connected.clear()
                self.listeners -= 1
                disconnect()

        return leave


used = _Used("persist_to_disk.used")
