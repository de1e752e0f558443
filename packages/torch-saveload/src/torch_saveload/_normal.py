"""Have ``normal_`` do nothing on the meta device, as other initialisers do there.

torch 2.13 computes it by Python code that imports torch's compiler: a second of every process that
loads a model with an ``nn.Embedding``, which is more than the weights take. On other devices, and
for other threads, nothing changes.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

_lock = threading.Lock()
_users = 0


@contextmanager
def no_meta_normal() -> Generator[None]:
    """Skip ``normal_`` on the meta device for as long as the block runs."""
    import torch

    global _users  # noqa: PLW0603 - one attribute of torch.Tensor for all threads
    with _lock:
        _users += 1
        if _users == 1:
            torch.Tensor.normal_ = _normal  # type: ignore[method-assign]
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                del torch.Tensor.normal_  # that of its base class is found again


def _normal(self: Any, *args: Any, **kwargs: Any) -> Any:
    import torch

    return self if self.is_meta else torch._C.TensorBase.normal_(self, *args, **kwargs)
