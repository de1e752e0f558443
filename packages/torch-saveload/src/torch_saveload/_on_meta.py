"""Have initial weights cost nothing on the meta device, and nothing be said about it.

Two things are otherwise than with other initialisers there. torch 2.13 computes ``normal_`` by
Python code that imports torch's compiler: a second of every process that loads a model with an
``nn.Embedding``, which is more than the weights take. And ``load_state_dict``, which gets a part
of a model its pretrained weights, warns of each tensor that copying it changes nothing.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_lock = threading.Lock()
_users = 0
_undo = ExitStack()


@contextmanager
def free_on_meta() -> Generator[None]:
    """Skip ``normal_`` and that warning on the meta device for as long as the block runs."""
    global _users  # noqa: PLW0603 - one torch.Tensor and one list of warnings for all threads
    with _lock:
        _users += 1
        if _users == 1:
            _begin()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _undo.close()


def _begin() -> None:
    import torch

    torch.Tensor.normal_ = _normal  # type: ignore[method-assign]
    _undo.callback(delattr, torch.Tensor, "normal_")  # that of its base class is found again
    warnings.filterwarnings("ignore", "for .*: copying from a non-meta parameter", UserWarning)
    _undo.callback(_remove_filter, warnings.filters, warnings.filters[0])


def _remove_filter(filters: Sequence[Any], ours: Any) -> None:
    """Undo that alone: others may have changed the list, or put another in its place."""
    for each in (filters, warnings.filters):
        with suppress(ValueError):
            cast("list[Any]", each).remove(ours)


def _normal(self: Any, *args: Any, **kwargs: Any) -> Any:
    import torch

    return self if self.is_meta else torch._C.TensorBase.normal_(self, *args, **kwargs)
