"""Digest large contents by leaves of half a mebibyte, on several cores.

The content digest of up to one leaf is the digest of its bytes. A longer one is the digest of
its leaves' digests, one after another, and of its length in eight bytes, little-endian. So the
leaves of a large array are digested at once, each while it is near its processor.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Buffer

    from expcore._digest import Hasher

LEAF_BYTES = 1 << 19
SHARE_BYTES = 4 << 20
"""What is worth a thread of its own."""
MOST_THREADS = 8
"""Memory is no faster with more."""


def content_digest(
    new: Callable[[], Hasher],
    content: Buffer,
    instead: Callable[[int, int], Buffer | None] = lambda _start, _stop: None,
) -> bytes:
    """Digest a content that lies in memory.

    Args:
        new: Returns an empty hasher.
        content: Of any type, contiguous.
        instead: Called from several threads with the start and the stop of a leaf that was just
            digested: returns other bytes to digest for those, or None.
    """
    content = memoryview(content).cast("B")
    size = len(content)

    def digest_leaf(number: int) -> bytes:
        start = number * LEAF_BYTES
        stop = min(start + LEAF_BYTES, size)
        hasher = new()
        hasher.update(content[start:stop])
        other = instead(start, stop)
        if other is not None:
            hasher = new()
            hasher.update(other)
        return hasher.digest()

    count = -(-size // LEAF_BYTES) or 1
    threads = min(size // SHARE_BYTES, MOST_THREADS, _cores()) if size > SHARE_BYTES else 1
    return _joined(new, _in_threads(digest_leaf, count, threads), size)


def stream_digest(new: Callable[[], Hasher], pieces: Iterable[bytes]) -> bytes:
    """Return the content digest of pieces of any length that come one after another."""
    leaves: list[bytes] = []
    hasher, room, size = new(), LEAF_BYTES, 0
    for piece in pieces:
        view = memoryview(piece)
        size += len(view)
        while view:
            if not room:
                leaves.append(hasher.digest())
                hasher, room = new(), LEAF_BYTES
            part, view = view[:room], view[room:]
            hasher.update(part)
            room -= len(part)
    leaves.append(hasher.digest())
    return _joined(new, leaves, size)


def _joined(new: Callable[[], Hasher], leaves: list[bytes], size: int) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    hasher = new()
    hasher.update(b"".join(leaves))
    hasher.update(size.to_bytes(8, "little"))
    return hasher.digest()


def _in_threads(function: Callable[[int], bytes], count: int, threads: int) -> list[bytes]:
    """Return what a function returns for each number below a count."""
    if threads == 1:
        return [function(number) for number in range(count)]
    results = [b""] * count
    todo = deque(range(count))
    errors: list[BaseException] = []

    def work() -> None:
        while True:
            try:
                number = todo.popleft()
            except IndexError:
                return
            try:
                results[number] = function(number)
            except BaseException as error:
                todo.clear()
                errors.append(error)

    helpers: list[threading.Thread] = []
    try:
        for _ in range(threads - 1):
            helper = threading.Thread(target=work, name="expcore-digest", daemon=True)
            helper.start()
            helpers.append(helper)
    except RuntimeError:
        pass  # Python begins no threads while it exits, the system none above its limit
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return results


def _cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # neither macOS nor Windows
        return os.cpu_count() or 1
