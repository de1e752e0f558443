"""Lead what an old file holds to the present version of its class."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ._build import decode_config
from ._bytes import dtype_name
from ._stored import StoredTensor
from ._versions import plan

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from ._settings import Settings
    from ._stored import Stored


def migrated(cls: type[Module], settings: Settings, stored: Stored) -> Stored:
    """Return what a file holds as the present version of the class expects it.

    Raises:
        VersionMismatchError: No migrations lead here.
        ConfigError: An argument makes no value.
    """
    name = cls.__qualname__
    steps = plan(
        settings.migrations, stored.version, settings.version, path=stored.path, class_name=name
    )
    if not steps:
        return stored
    arguments = decode_config(cls, stored.config or {})
    tensors = {n: tensor.get() for n, tensor in stored.tensors.items()}
    before = {n: (tensor, stored.tensors[n]) for n, tensor in tensors.items()}
    for step in steps:
        step.function(arguments, tensors)
    return dataclasses.replace(
        stored,
        tensors={n: _changed(tensor, before.get(n)) for n, tensor in tensors.items()},
        arguments=arguments,
        ties=tuple(tie for tie in stored.ties if all(name in tensors for name in tie)),
    )


def _changed(tensor: Tensor, before: tuple[Tensor, StoredTensor] | None) -> StoredTensor:
    if before is not None and before[0] is tensor:
        return before[1]
    return StoredTensor(
        dtype=dtype_name(tensor.dtype),
        shape=tuple(tensor.shape),
        same=id(tensor),
        grad=before[1].grad if before else None,
        get=lambda: tensor,
    )
