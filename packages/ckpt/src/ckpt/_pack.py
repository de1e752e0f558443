"""A state of plain data and tensors as JSON text plus arrays, and back.

Optimizers, schedulers and the like give their state as nested dicts. The text holds all but the
tensors, which it names: ``{"$tensor": "state/0/exp_avg"}``. What JSON has no word for is marked
in the same way: ``{"$tuple": […]}``, ``{"$dict": [[key, value], …]}`` where keys are no strings,
``{"$counter": …}``. Numbers come back exactly, infinities and NaN included.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import torch

from ckpt.errors import UnsupportedValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def pack(name: str, state: Any) -> tuple[str, dict[str, torch.Tensor]]:
    """Split a state into its text and its tensors, by the path of each.

    Raises:
        UnsupportedValueError: It holds something that is neither plain data nor a tensor.

    >>> pack("sgd", {"lr": 0.1, 0: (torch.ones(2), None)})
    ('{"$dict": [["lr", 0.1], [0, {"$tuple": [{"$tensor": "0/0"}, null]}]]}',
     {'0/0': tensor([1., 1.])})
    """
    tensors: dict[str, torch.Tensor] = {}

    def walk(value: Any, path: tuple[str, ...]) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, torch.Tensor):
            key = "/".join(path) or "value"
            tensors[key] = value
            return {"$tensor": key}
        if isinstance(value, (list, tuple)):
            sequence = cast("Sequence[Any]", value)
            items = [walk(item, (*path, str(i))) for i, item in enumerate(sequence)]
            return items if isinstance(value, list) else {"$tuple": items}
        if isinstance(value, dict):
            mapping: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            pairs = [[walk(k, path), walk(v, (*path, str(k)))] for k, v in mapping.items()]
            if isinstance(value, Counter):
                return {"$counter": pairs}
            if all(isinstance(k, str) and not k.startswith("$") for k in mapping):
                return dict(pairs)
            return {"$dict": pairs}
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise UnsupportedValueError(
            name, f"its state has a {kind} at {'/'.join(path) or 'its top'}"
        )

    return json.dumps(walk(state, ())), tensors


def unpack(text: str, tensor: Callable[[str], Any]) -> Any:
    """Rebuild a state from its text.

    Args:
        text: What :func:`pack` made.
        tensor: Gives the tensor at a path.

    Raises:
        ValueError: It is no such text.
    """

    def revive(value: dict[str, Any]) -> Any:
        if len(value) != 1:
            return value
        ((mark, inner),) = value.items()
        match mark:
            case "$tensor":
                return tensor(_text(inner))
            case "$tuple":
                return tuple(inner)
            case "$dict":
                return {_hashable(k): v for k, v in inner}
            case "$counter":
                return Counter({_hashable(k): v for k, v in inner})
            case _:
                return value

    try:
        return json.loads(text, object_hook=revive)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"its state is malformed: {error}") from error


def _text(path: Any) -> str:
    if not isinstance(path, str):
        raise TypeError(f"a tensor is called {path!r}")
    return path


def _hashable(key: Any) -> Any:
    hash(key)
    return key


def tensor_paths(text: str) -> Iterator[str]:
    """The paths of the tensors that a text names."""
    found: list[str] = []
    unpack(text, found.append)
    yield from found
