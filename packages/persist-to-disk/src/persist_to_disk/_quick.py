"""The short way to a hit: plain arguments, and a small result that this process has seen.

Such a call is known by its arguments and their types as they were passed, before any binding or
digest. What is known holds until an entry of its bucket file is replaced, which one ``stat``
tells; that others add entries to the file makes no difference.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from persist_to_disk import _open_files
from persist_to_disk._config import config

if TYPE_CHECKING:
    from persist_to_disk._bucket import Bucket, Entry
    from persist_to_disk._view import Signature

LIMIT = 4096
"""How many calls of one function are known."""
LONGEST_TEXT = 256

_PLAIN = frozenset({int, str, bytes, bool, float, type(None)})

QuickKey = tuple[Any, ...]


class KnownCalls(dict[QuickKey, "tuple[bytes, Watch]"]):
    """What is known of the calls of one function: a stored result, and what tells it holds."""


class Watch:
    """What a ``stat`` of a bucket file returns until an entry in it is replaced.

    Args:
        bucket: The file.
        signature: One state of it.
        has_times: The file's time says when an entry was replaced. If not, any change may be that.
        recheck_ns: How long the file need not be looked at again.
    """

    __slots__ = (
        "bucket", "changed_ns", "file", "inode", "interval_ns", "least", "most", "settings",
        "until_ns",
    )  # fmt: skip

    def __init__(
        self, bucket: Bucket, signature: Signature, recheck_ns: int, *, has_times: bool
    ) -> None:
        self.bucket, self.settings = bucket, config.version
        self.inode, self.least, self.changed_ns = signature
        self.most: float = math.inf if has_times else self.least
        self.interval_ns = recheck_ns
        self.until_ns = 0
        """Until then, by the monotonic clock, the file need not be looked at; 0 for always."""
        self.file: int | str = bucket.name
        if self.least <= _open_files.LARGEST_BYTES:
            descriptor = _open_files.descriptor_of(bucket.name, self.inode)
            if descriptor is not None:
                self.file, self.most = descriptor, min(self.most, _open_files.LARGEST_BYTES)

    def is_of(self, signature: Signature) -> bool:
        """Say whether no entry was replaced up to a state of the file."""
        inode, size, changed_ns = signature
        return (
            self.changed_ns == changed_ns
            and self.inode == inode
            and self.least <= size <= self.most
            and self.settings == config.version
        )

    def end(self) -> None:
        """Hold no more, and have the file looked up anew for what will be known next."""
        self.settings = -1
        if self.bucket.watch is self:
            self.bucket.watch = None
            _open_files.close(self.bucket.name)


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


def is_constant(value: object) -> bool:
    """Say whether a default is certain to be the same at every call."""
    if type(value) is tuple:
        return all(map(is_constant, cast("tuple[object, ...]", value)))
    return type(value) in _PLAIN


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
    seen = bucket.seen(entry)
    if seen is None:
        return
    signature, has_times = seen
    watch = bucket.watch
    if watch is None or not watch.is_of(signature):
        if watch is not None:
            watch.end()
        watch = bucket.watch = Watch(bucket, signature, recheck_ns, has_times=has_times)
    if len(quick) >= LIMIT:
        quick.clear()
    quick[call] = entry.payload, watch
