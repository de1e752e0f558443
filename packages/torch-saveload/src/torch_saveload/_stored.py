"""What a file holds, wherever it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class StoredTensor(NamedTuple):
    """A tensor that has not been read yet."""

    dtype: str
    shape: tuple[int, ...]
    same: object
    """Equal for tensors with equal bytes."""
    grad: bool | None
    """requires_grad, None where it is no parameter or not known."""
    get: Callable[[], Tensor]
    """Return the tensor, on the CPU; writing to it never reaches the file."""

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A model on its way from a file."""

    path: str
    tensors: dict[str, StoredTensor]
    class_name: str | None = None
    version: str | None = None
    config: dict[str, Any] | None = None
    """The arguments by parameter name, as plain data."""
    arguments: dict[str, Any] | None = None
    """The arguments by parameter name, as values: a migration made them."""
    call: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """Arguments from a trusted pickle."""
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    extra: dict[str, StoredTensor] = field(default_factory=dict[str, "StoredTensor"])
    """The tensors that the values speak of."""
    ties: tuple[tuple[str, ...], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    unsaved: dict[str, str] = field(default_factory=dict[str, str])
    """The dtypes of floating-point buffers that are not in the state_dict."""
    without_config: str = "it holds no arguments"
    """Why there are no arguments of any kind."""
