"""Copy what a file holds into a model that it is known to fit."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._lazy import loads_plainly, swap
from ._registry import KnownTypes
from ._state import is_extra_state, is_lazy
from ._unplain import Decoder, Undecodable
from .errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from ._match import Match
    from ._state import State
    from ._stored import Stored


def fill(model: Module, state: State, stored: Stored, found: Match) -> None:
    """Copy values into a model that they are known to fit."""
    import torch

    for name in found.tensors:
        if (here := state.tensors[name]).is_meta and not is_lazy(here):
            _materialise(here)
    if not found.values and loads_plainly(model, state):
        # What load_state_dict comes to then, without a dictionary for each module. All is read
        # first: a compressed tensor is only now seen to be damaged.
        read_first = [(state.tensors[name], there.get()) for name, there in found.tensors.items()]
        with torch.no_grad():
            for here, tensor in read_first:
                here.copy_(tensor)
        return
    values: Any = OrderedDict(
        (state.originals[name], tensor.get()) for name, tensor in found.tensors.items()
    )
    values.update((state.originals[name], value) for name, value in found.values.items())
    values._metadata = {
        state.prefixes[prefix]: facts
        for prefix, facts in stored.metadata.items()
        if prefix in state.prefixes
    }
    model.load_state_dict(values, strict=False)


def _materialise(here: Tensor) -> None:
    """Give a tensor on the meta device memory: copying to it would do nothing."""
    import torch

    fresh = torch.empty_like(here, device="cpu", requires_grad=False)
    if isinstance(here, torch.nn.Parameter):
        fresh = torch.nn.Parameter(fresh, here.requires_grad)
    swap(here, fresh)


def extra_states(cls: type[Module], stored: Stored) -> dict[str, Any]:
    """Return the extra states; those of a file of this package are tensors or plain data.

    Raises:
        ConfigError: One of them makes no value.
    """
    tensors = {
        name: tensor.get() for name, tensor in stored.tensors.items() if is_extra_state(name)
    }
    if stored.class_name is None:
        return {**stored.values, **tensors}

    def refuse(name: str, _: object, where: str) -> object:
        raise Undecodable(where, f"a module, {name}, has no place in an extra state")

    decoder = Decoder(KnownTypes(cls), refuse, lambda name: stored.extra[name].get())
    try:
        values = {name: decoder.decode(data, name) for name, data in stored.values.items()}
    except Undecodable as error:
        raise ConfigError(cls.__qualname__, error.where, error.problem) from error
    return {**values, **tensors}
