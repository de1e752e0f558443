"""The short way to a hit: plain arguments, and a small result that this process has seen.

Such a call is known by its arguments and their types as they were passed, before any binding or
digest. What is known holds for as long as the bucket file is the same, which one ``stat`` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from persist_to_disk._bucket import Bucket

LIMIT = 4096
"""How many calls of one function are known."""
LONGEST_TEXT = 256

_PLAIN = frozenset({int, str, bytes, bool, float, type(None)})

QuickKey = tuple[Any, ...]


class Known(NamedTuple):
    """The result of a call, and when it still is."""

    settings: int
    """The version of the settings."""
    path: str
    inode: int
    size: int
    changed_ns: int
    payload: bytes


def quick_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> QuickKey:
    """Return what a call is known by; it may not be hashable.

    Two calls with plain arguments have equal keys only if they are the same call.
    """
    if kwargs:
        values = (*kwargs.values(),)
        return (args, (*map(type, args),), (*kwargs,), values, (*map(type, values),))
    return (args, (*map(type, args),))


def is_plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Say whether a call can be known by its :func:`quick_key`."""
    return all(map(_is_plain, args)) and all(map(_is_plain, kwargs.values()))


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind not in _PLAIN or (kind is float and value == 0):  # 0.0 == -0.0
        return False
    return kind not in (str, bytes) or len(cast("str | bytes", value)) <= LONGEST_TEXT


def learn(
    quick: dict[QuickKey, Known], key: QuickKey, bucket: Bucket, payload: bytes, settings: int
) -> None:
    """Remember the result of a call, as the bucket was last seen."""
    signature = bucket.signature
    if signature is not None:
        if len(quick) >= LIMIT:
            quick.clear()
        quick[key] = Known(settings, bucket.name, *signature, payload)
