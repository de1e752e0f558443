"""Results that several machines share: one object for each entry, in an expcore storage.

The local tree stands in front of it. What is not there is looked up here, once per key; what is
computed is uploaded in the background, under a key that only one machine can claim: whoever
comes second takes over the first one's result.

An object's key is ``project/module/function/[groupby...]/<key of the call, hex>``, with the name
of the project's folder and not its number, which differs from machine to machine. Its bytes are
those of a bucket file with one frame (:mod:`_frames`), and behind it the sidecar if the frame
names one.
"""

from __future__ import annotations

import logging
import os
import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from expcore import KeyExists, KeyNotFound, digest_bytes, open_storage
from persist_to_disk import _frames as frames
from persist_to_disk._uploads import in_background, wait_for_uploads
from persist_to_disk._values import sidecar_facts, sidecar_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from expcore import Storage
    from persist_to_disk._bucket import Bucket, Entry
    from persist_to_disk._store import Store

log = logging.getLogger("persist_to_disk")

PAUSE_S = 60.0
"""How long a storage that failed is left alone."""


class Fetched(NamedTuple):
    """An entry as another machine stored it."""

    flags: int
    written_ns: int
    payload: bytes
    sidecar: bytes

    def is_same(self, entry: Entry) -> bool:
        """Say whether it holds the same result."""
        if self.flags & entry.flags & frames.FLAG_SIDECAR:
            return sidecar_facts(self.payload) == sidecar_facts(entry.payload)
        return (self.flags, self.payload) == (entry.flags, entry.payload)


class Remote:
    """The results of one function under one URL.

    Args:
        url: Of a storage.
        prefix: The function's, with slashes.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._url, self._prefix = url, prefix
        self._looked_up: set[str] = set()
        self._paused_until = 0.0

    def name(self, groups: tuple[str, ...], key: bytes) -> str:
        """Return the object's key for the key of a call."""
        return "/".join((self._prefix, *groups, key.hex()))

    def fetch(self, name: str) -> Fetched | None:
        """Return what the storage has under a name, if it has not been asked before.

        Raises:
            Exception: Whatever the storage raises when it cannot be reached.
        """
        if name in self._looked_up or time.monotonic() < self._paused_until:
            return None
        try:
            found = self._read(name)
        except Exception:
            self._paused_until = time.monotonic() + PAUSE_S
            raise
        self._looked_up.add(name)
        return found

    def share(
        self,
        name: str,
        entry: Entry,
        store: Store,
        *,
        replace: bool,
        is_wanted: Callable[[Fetched], bool],
    ) -> None:
        """Upload an entry in the background.

        Args:
            name: From :meth:`name`.
            entry: As it is in its bucket.
            store: Where that is; it takes over the result of a machine that was faster.
            replace: Put it in place of what the storage has.
            is_wanted: Whether a result that the storage has is not to be replaced.
        """
        self._looked_up.add(name)

        def upload() -> None:
            try:
                self._upload(name, entry, store, replace, is_wanted)
            except Exception as error:
                log.warning("%s of %s: not uploaded: %s", name, self._url, error)

        in_background(upload)

    def clear(self) -> None:
        """Delete all results of the function.

        Raises:
            Exception: Whatever the storage raises.
        """
        wait_for_uploads()
        storage = _open(self._url)
        for found in list(storage.list(f"{self._prefix}/")):
            storage.delete(found.key)
        self._looked_up.clear()

    def _read(self, name: str) -> Fetched | None:
        try:
            return decode_object(_open(self._url).read(name), name)
        except KeyNotFound:
            return None

    def _upload(
        self,
        name: str,
        entry: Entry,
        store: Store,
        replace: bool,
        is_wanted: Callable[[Fetched], bool],
    ) -> None:
        storage = _open(self._url)
        bucket = store.bucket(entry.key)
        data = encode_object(entry, bucket)
        if not replace:
            try:
                storage.write_new(name, data)
            except KeyExists:
                found = self._read(name)
                if found is not None and is_wanted(found):
                    # If it is replaced here meanwhile, that is on its way to the storage too.
                    if not found.is_same(entry) and bucket.find(entry.key) == entry:
                        store.install(bucket, entry.key, found)
                    return
            else:
                return
        storage.write(name, data)


def encode_object(entry: Entry, bucket: Bucket) -> bytes:
    """Return the bytes that stand for an entry in a storage.

    Raises:
        OSError: Its sidecar cannot be read.
    """
    # Without a random salt: equal entries are equal objects.
    salt = int.from_bytes(entry.key[:8], "little")
    parts = [
        frames.encode_header(salt),
        frames.encode_frame(entry.key, entry.payload, entry.flags, entry.written_ns, salt),
    ]
    if entry.flags & frames.FLAG_SIDECAR:
        parts.append(sidecar_path(entry.payload, bucket.sidecars).read_bytes())
    return b"".join(parts)


def decode_object(data: bytes, name: str) -> Fetched | None:
    """Return the entry in an object; None if it is damaged, another's, or of another version."""
    header = frames.decode_header(data[: frames.HEADER_BYTES])
    if header is None or header[0] != frames.VERSION:
        return None
    frame = frames.decode_head(data, frames.HEADER_BYTES, header[1])
    if frame is None or frame.key.hex() != name.rpartition("/")[2]:
        return None
    payload = data[frame.payload_offset : frame.payload_offset + frame.length]
    sidecar = data[frame.end :]
    if not frames.is_payload(frame, payload, header[1]):
        return None
    if frame.flags & frames.FLAG_SIDECAR:
        if sidecar_facts(payload) != (len(sidecar), digest_bytes(sidecar)):
            return None
    elif sidecar:
        return None
    return Fetched(frame.flags, frame.written_ns, payload, sidecar)


@cache
def _open(url: str) -> Storage:
    return open_storage(url)


if hasattr(os, "register_at_fork"):  # a forked process has none of the connections
    os.register_at_fork(after_in_child=_open.cache_clear)
