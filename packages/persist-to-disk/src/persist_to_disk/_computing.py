"""Compute exactly once: hold the lock of a key while its result is computed.

A call that is made inside its own computation passes through, instead of waiting for itself.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from persist_to_disk._bucket import Bucket
    from persist_to_disk._locks import Lock

log = logging.getLogger("persist_to_disk")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.2

# The entries that are being computed around the present call: bucket files and keys.
_around: ContextVar[frozenset[tuple[str, bytes]]] = ContextVar("computing", default=frozenset())


def is_computing(bucket: Bucket, key: bytes) -> bool:
    """Say whether the present call is made inside the computation of an entry."""
    return (bucket.name, key) in _around.get()


@contextmanager
def computing(bucket: Bucket, key: bytes, lock: Lock) -> Generator[None]:
    """Hold the lock of a key, if there can be one.

    Args:
        bucket: Where the entry will be.
        key: Its key.
        lock: The key's; not held yet.
    """
    try:
        lock.acquire()
        held = True
    except OSError as error:
        held = _goes_without(bucket, error)
    token = _around.set(_around.get() | {(bucket.name, key)})
    try:
        yield
    finally:
        _around.reset(token)
        if held:
            lock.release()


@asynccontextmanager
async def computing_async(bucket: Bucket, key: bytes, lock: Lock) -> AsyncGenerator[None]:
    """Do the same without blocking the event loop."""
    import asyncio

    pause_s = FIRST_PAUSE_S
    try:
        while not lock.try_acquire():
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
        held = True
    except OSError as error:
        held = _goes_without(bucket, error)
    token = _around.set(_around.get() | {(bucket.name, key)})
    try:
        yield
    finally:
        _around.reset(token)
        if held:
            lock.release()


def _goes_without(bucket: Bucket, error: OSError) -> bool:
    log.info("%s: computing without a lock: %s", bucket.path, error)
    return False
