"""Which checkpoints outlive the next save."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING, Literal

from ckpt.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint in a folder."""

    step: int
    """Its number."""
    path: Path
    time: datetime
    """When its file was written."""
    size: int
    """Of the file, in bytes."""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """The numbers given to ``save(..., metrics=…)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many checkpoints outlive the next save: those that any of the rules keeps.

    >>> Retention(last=2, best=1, metric="loss", every=100)
    Retention(last=2, best=1, metric='loss', mode='min', every=100, within=None)
    >>> Retention(last=0)
    Traceback (most recent call last):
        ...
    ckpt.InvalidOptionError: last is 0, expected at least 1
    """

    last: int = 1
    """Newest checkpoints, by number; at least 1, so a save never deletes itself."""
    best: int = 0
    """Best checkpoints by ``metric``, among those saved with it."""
    metric: str | None = None
    """The name of the number to compare."""
    mode: Literal["min", "max"] = "min"
    """Whether the best is the smallest or the largest."""
    every: int | None = None
    """Those whose number is a multiple of this are kept for ever."""
    within: timedelta | float | None = None
    """Those written within this time; a number is in seconds."""

    def __post_init__(self) -> None:
        for name in ("last", "best", "every"):
            value = getattr(self, name)
            if not hasattr(value, "__index__") and not (value is None and name == "every"):
                raise InvalidOptionError(name, value, "a whole number")
        if self.last < 1:
            raise InvalidOptionError("last", self.last, "at least 1")
        if self.best < 0:
            raise InvalidOptionError("best", self.best, "at least 0")
        if self.best and self.metric is None:
            raise InvalidOptionError("metric", self.metric, "a name, as best is not 0")
        if self.mode not in ("min", "max"):
            raise InvalidOptionError("mode", self.mode, "'min' or 'max'")
        if self.every is not None and self.every < 1:
            raise InvalidOptionError("every", self.every, "at least 1")
        if self.within is not None and not self.seconds >= 0:  # nor is NaN
            raise InvalidOptionError("within", self.within, "at least 0")

    @property
    def seconds(self) -> float:
        """``within`` in seconds."""
        within = self.within
        return within.total_seconds() if isinstance(within, timedelta) else float(within or 0)

    def kept(self, found: Iterable[Saved], now: float | None = None) -> set[int]:
        """The numbers of those to keep.

        Args:
            found: The checkpoints that there are.
            now: The time, in seconds since 1970; the clock's if not given.
        """
        newest = sorted(found, key=lambda saved: saved.step, reverse=True)
        keep = {saved.step for saved in newest[: self.last]}
        if self.best and self.metric is not None:
            keep |= {saved.step for saved in ranked(newest, self.metric, self.mode)[: self.best]}
        if self.every is not None:
            keep |= {saved.step for saved in newest if saved.step % self.every == 0}
        if self.within is not None:
            since = (time.time() if now is None else now) - self.seconds
            keep |= {saved.step for saved in newest if saved.time.timestamp() >= since}
        return keep


def ranked(found: Iterable[Saved], metric: str, mode: str) -> list[Saved]:
    """Those with a metric, the best first; of equal ones the newer. NaN is not a value."""
    sign = -1 if mode == "max" else 1
    having = [s for s in found if metric in s.metrics and not isnan(s.metrics[metric])]
    return sorted(having, key=lambda saved: (sign * saved.metrics[metric], -saved.step))


def written(seconds: float) -> datetime:
    """A file's time as one that knows its zone; a time that no calendar has is its first or last.

    >>> written(1 << 60).year
    9999
    """
    first, last = (edge.replace(tzinfo=UTC) for edge in (datetime.min, datetime.max))
    if not first.timestamp() <= seconds < last.timestamp():
        return first if seconds < 0 else last
    return datetime.fromtimestamp(seconds, UTC)


Saved.__module__ = Retention.__module__ = "ckpt"
