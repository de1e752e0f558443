"""The types of a decorated function, and of what decorates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from persist_to_disk._memo import CacheInfo

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
S = TypeVar("S")


class Persisted(Protocol[P, R_co]):
    """A decorated function: called as before, with a few more attributes."""

    __name__: str
    __qualname__: str

    @property
    def __wrapped__(self) -> Callable[P, R_co]:
        """The function itself, which knows no cache."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return the function's result, from disk if it is there."""
        ...

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Persisted[P, R_co]: ...
    @overload
    def __get__(
        self: Persisted[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> Callable[Q, R]: ...

    def cache_info(self) -> CacheInfo:
        """Return hits and misses of this process, and the entries on disk."""
        ...

    def cache_path(self, *args: P.args, **kwargs: P.kwargs) -> Path:
        """Return the bucket file of a call; it need not exist."""
        ...

    def is_cached(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Say whether a call would be answered from disk."""
        ...

    def clear(self) -> None:
        """Delete all results of the function, of all versions of its code."""
        ...


class Decorator(Protocol):
    """What :func:`persistf` returns."""

    def __call__(self, function: Callable[P, R], /) -> Persisted[P, R]:
        """Return the function with a memory on disk."""
        ...
