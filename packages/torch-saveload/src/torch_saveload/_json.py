"""Read JSON that may come from anywhere: what two readers could take for two things is refused."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def parse(data: bytes | str) -> Any:
    """Return what JSON holds.

    Raises:
        ValueError: It is no JSON, names something twice, holds ``NaN``, or nests too deep.

    >>> parse(b'{"a": [1, null]}')
    {'a': [1, None]}
    >>> parse('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: 'a' stands there twice
    """
    try:
        return json.loads(data, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{name!r} stands there twice")
    return tree


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
