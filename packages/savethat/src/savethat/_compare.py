"""Say where two results differ, as people would look for it."""

from __future__ import annotations

import dataclasses
import pickle
import reprlib
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = 20
"""At most so many differences are shown."""
_MISSING = object()


def differences(then: object, now: object) -> list[str]:
    """A line for each place where two values differ; none if their digests are the same.

    >>> differences({"slope": 1.0, "n": [1, 2]}, {"slope": 1.5, "n": [1, 2]})
    ["['slope']: 1.0 → 1.5"]
    """
    found = list(islice(_walk(then, now, ""), LINES + 1))
    return found if len(found) <= LINES else [*found[:LINES], "…"]


def _walk(then: Any, now: Any, path: str) -> Iterator[str]:
    if then is _MISSING or now is _MISSING:
        yield f"{path}: {_shown(then)} → {_shown(now)}"
    elif not _same(then, now):
        pairs = _parts(then, now, path) if _same_class(then, now) else []
        found = False
        for inner in pairs:
            for line in _walk(*inner):
                found = True
                yield line
        if not found:
            yield f"{path or 'results'}: {_shown(then)} → {_shown(now)}"


def _same(then: object, now: object) -> bool:
    from expcore import UndigestableError, digest

    try:
        return digest(then) == digest(now)
    except UndigestableError:  # but it was in a pickle
        return pickle.dumps(then) == pickle.dumps(now)


def _same_class(then: object, now: object) -> bool:
    # By name: the class of a codebase that is loaded twice is another object.
    return type(then).__qualname__ == type(now).__qualname__


def _parts(then: Any, now: Any, path: str) -> list[tuple[Any, Any, str]]:
    if dataclasses.is_dataclass(then):
        names = [field.name for field in dataclasses.fields(then)]
        return [
            (getattr(then, name, _MISSING), getattr(now, name, _MISSING), f"{path}.{name}")
            for name in names
        ]
    if isinstance(then, Mapping):
        keys = {**then, **now}
        return [(then.get(k, _MISSING), now.get(k, _MISSING), f"{path}[{k!r}]") for k in keys]
    if isinstance(then, list | tuple) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [(a, b, f"{path}[{index}]") for index, (a, b) in pairs]
    return []


def _shown(value: object) -> str:
    return "missing" if value is _MISSING else reprlib.repr(value)
