"""The short way to a hit: plain arguments, and a small result that this process has seen.

Such a call is known by its arguments and their types as they were passed, before any binding or
digest. What is known holds for as long as the bucket file is the same, which one ``stat`` tells;
when others have appended to it, their entries are looked at, and most often are of other calls.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from persist_to_disk._config import config
from persist_to_disk._folders import descriptor_of, forget
from persist_to_disk._view import signature_of

if TYPE_CHECKING:
    from persist_to_disk._bucket import Bucket, Entry
    from persist_to_disk._frames import Frame

LIMIT = 4096
"""How many calls of one function are known."""
LONGEST_TEXT = 256

_PLAIN = frozenset({int, str, bytes, bool, float, type(None)})

QuickKey = tuple[Any, ...]


class KnownCalls(dict[QuickKey, "Known"]):
    """What is known of the calls of one function."""


class Known:
    """The result of a call, and the state of the bucket file in which it is that."""

    __slots__ = (
        "bucket", "changed_ns", "folder", "frame", "inode", "interval_ns", "key", "name",
        "payload", "settings", "size", "until_ns",
    )  # fmt: skip

    def __init__(
        self, bucket: Bucket, key: bytes, frame: Frame, payload: bytes, recheck_ns: int
    ) -> None:
        self.bucket, self.key, self.frame, self.payload = bucket, key, frame, payload
        self.settings = config.version
        self.inode, self.size, self.changed_ns = -1, 0, -1
        self.interval_ns = recheck_ns
        self.until_ns = 0
        """Until then, by the monotonic clock, the file need not be looked at; 0 for always."""
        folder, name = os.path.split(bucket.name)
        self.folder = descriptor_of(folder)
        self.name = bucket.name if self.folder is None else name
        """The path of the file, beginning at the folder if that is open."""

    def holds(self) -> bool:
        """Say whether the result is the same in a file that has changed; if so, note that.

        Raises:
            OSError: The file is gone.
        """
        status = os.stat(self.bucket.name)  # noqa: PTH116 -- three times faster as it is
        if not self.bucket.has_still(self.key, self.frame, status):
            return False
        if not self.bucket.trust:
            self.inode, self.size, self.changed_ns = signature_of(status)
        return True

    def forget_folder(self) -> None:
        """Have the folder opened anew for what will be known next."""
        forget(os.path.dirname(self.bucket.name))  # noqa: PTH120


def quick_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> QuickKey:
    """Return what a call is known by; it may not be hashable.

    Two calls with plain arguments have equal keys only if they are the same call.
    """
    if kwargs:
        values = (*kwargs.values(),)
        return (args, (*map(type, args),), (*kwargs,), values, (*map(type, values),))
    return (args, *map(type, args))


def is_plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Say whether a call can be known by its :func:`quick_key`."""
    return all(map(_is_plain, args)) and all(map(_is_plain, kwargs.values()))


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind not in _PLAIN or (kind is float and value == 0):  # 0.0 == -0.0
        return False
    return kind not in (str, bytes) or len(cast("str | bytes", value)) <= LONGEST_TEXT


def learn(
    quick: KnownCalls, call: QuickKey, bucket: Bucket, entry: Entry, recheck_ns: int
) -> None:
    """Remember the result of a call, if the bucket still has it.

    Args:
        quick: What is known of the function's calls.
        call: From :func:`quick_key`.
        bucket: Where the result is.
        entry: The result, small and no exception.
        recheck_ns: How long the file need not be looked at again.
    """
    frame = bucket.frame(entry.key)
    # Another thread may have replaced the entry.
    if frame is not None and frame.written_ns == entry.written_ns:
        if len(quick) >= LIMIT:
            quick.clear()
        quick[call] = Known(bucket, entry.key, frame, entry.payload, recheck_ns)
