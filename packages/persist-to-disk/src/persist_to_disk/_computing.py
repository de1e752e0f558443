"""Compute exactly once: hold the lock of a key while its result is computed.

A call that is made inside its own computation passes through, instead of waiting for itself.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextvars import Token

    from persist_to_disk._bucket import Bucket
    from persist_to_disk._locks import Lock

log = logging.getLogger("persist_to_disk")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.2

_Entries = frozenset[tuple[str, bytes]]

# The entries that are being computed around the present call: bucket files and keys.
_around: ContextVar[_Entries] = ContextVar("computing", default=frozenset())


def is_computing(bucket: Bucket, key: bytes) -> bool:
    """Say whether the present call is made inside the computation of an entry."""
    return (bucket.name, key) in _around.get()


class Computing:
    """Holds the lock of a key within a ``with`` block, if there can be one.

    Within ``async with``, waiting for it does not block the event loop.

    Args:
        bucket: Where the entry will be.
        key: Its key.
        lock: The key's; not held yet.
    """

    __slots__ = ("_bucket", "_key", "_lock", "_token")

    def __init__(self, bucket: Bucket, key: bytes, lock: Lock) -> None:
        self._bucket, self._key, self._lock = bucket, key, lock
        self._token: Token[_Entries] | None = None

    def __enter__(self) -> None:
        try:
            try:
                self._lock.acquire()
            except OSError as error:
                self._go_without(error)
            self._begin()
        except BaseException:  # an interrupt
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self._lock.release()
        finally:
            if self._token is not None:
                with suppress(ValueError):  # a coroutine that is closed in another context
                    _around.reset(self._token)

    async def __aenter__(self) -> None:
        import asyncio

        pause_s = FIRST_PAUSE_S
        try:
            try:
                while not self._lock.try_acquire():
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
            except OSError as error:
                self._go_without(error)
            self._begin()
        except BaseException:
            self.__exit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def _begin(self) -> None:
        self._token = _around.set(_around.get() | {(self._bucket.name, self._key)})

    def _go_without(self, error: OSError) -> None:
        log.info("%s: computing without a lock: %s", self._bucket.path, error)
