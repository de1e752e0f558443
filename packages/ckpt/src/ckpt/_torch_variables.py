"""The door to the torch adapter, which opens without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckpt._collection import VarCollection


def torch_variables(*objects: Any, **named: Any) -> VarCollection:
    """The variables of torch objects, as they are whenever the collection is saved or restored.

    Everything comes back exactly: bfloat16 and float8 bit for bit, an optimizer's moments and
    settings, a generator's state. Restored into a fresh optimizer, its state is created.

    Args:
        *objects: Modules, optimizers, schedulers and generators, at most one of each kind; they
            are called ``model``, ``optimizer``, ``scheduler`` and ``generator``.
        **named: The same, and tensors, and whatever has ``state_dict`` and ``load_state_dict``
            of plain data and tensors, under names of their own.

    Returns:
        A collection with names like ``model/0.weight`` and ``optimizer/state/0/exp_avg``.

    Raises:
        InvalidOptionError: Two objects would have one name (ValueError).
        NotAVarCollectionError: An object is of none of these kinds (TypeError).

    >>> import ckpt, torch
    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> sorted(ckpt.torch_variables(model, optimizer))
    ['model/bias', 'model/weight', 'optimizer']
    """
    from ckpt._torch import collect

    return collect(objects, named)


torch_variables.__module__ = "ckpt"
