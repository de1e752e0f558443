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
    # The class's own before those that it inherits, and the latest first: a notebook's cell that
    # was mended and run again counts.
    known = [step for base in cls.__mro__ for step in reversed(settings.migrations.get(base, []))]
    steps = plan(known, stored.version, settings.version, path=stored.path, class_name=name)
    if not steps:
        return stored
    arguments = decode_config(cls, stored.config or {})
    # Tensors with the same bytes are one here, so that what changes in place changes in both.
    one: dict[object, Tensor] = {}
    tensors = {
        n: one.setdefault((t.same or n, t.dtype, t.shape), t.get())
        for n, t in stored.tensors.items()
    }
    before = dict(tensors)
    for step in steps:
        step.function(arguments, tensors)
    return dataclasses.replace(
        stored,
        tensors={
            n: _described(n, tensor, stored.tensors.get(n), replaced=tensor is not before.get(n))
            for n, tensor in tensors.items()
        },
        arguments=arguments,
        ties=tuple(tie for tie in stored.ties if all(name in tensors for name in tie)),
    )


def _described(
    name: str, tensor: Tensor, former: StoredTensor | None, *, replaced: bool
) -> StoredTensor:
    """Return a tensor of a migration as if it had been in the file."""
    import torch

    if not isinstance(tensor, torch.Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a migration made {name} a {type(tensor).__name__}, not a tensor")
    return StoredTensor(
        dtype=dtype_name(tensor.dtype),
        shape=tuple(tensor.shape),
        same=id(tensor) if replaced or former is None else former.same,
        grad=former.grad if former else None,
        get=lambda: tensor,
    )
