"""torch's modules, optimizers, schedulers and generators as one collection of variables.

A module's parameters and buffers are variables as they are; the rest are states, see
:mod:`ckpt._torch_state`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parameter import is_lazy
from torch.optim.lr_scheduler import LRScheduler

from ckpt._collection import Stored, VarCollection, Variable
from ckpt._torch_state import OptimizerState, State
from ckpt.errors import InvalidOptionError, NotAVarCollectionError, UnsupportedValueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KINDS: dict[type, str] = {
    torch.nn.Module: "model",
    torch.optim.Optimizer: "optimizer",
    LRScheduler: "scheduler",
    torch.Generator: "generator",
}
EXTRA = "_extra_state"


def collect(objects: Sequence[Any], named: Mapping[str, Any]) -> TorchVariables:
    """The variables of torch objects; see :func:`ckpt.torch_variables`."""
    parts: dict[str, Any] = {}
    for item in objects:
        name = next((name for kind, name in KINDS.items() if isinstance(item, kind)), None)
        if name is None:
            raise NotAVarCollectionError(f"a {type(item).__name__}, which has no name of its own")
        if name in parts or name in named:
            raise InvalidOptionError("objects", f"two called {name!r}", "a keyword for each")
        parts[name] = item
    parts.update(named)
    for name, item in parts.items():
        known = isinstance(item, (*KINDS, torch.Tensor))
        if not known and not (hasattr(item, "state_dict") and hasattr(item, "load_state_dict")):
            raise NotAVarCollectionError(f"a {type(item).__name__} called {name!r}")
    return TorchVariables(parts)


class TorchVariables(VarCollection):
    """A live view: an optimizer's variables appear with its first step."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = dict(parts)

    def __getitem__(self, name: str) -> Variable:
        return self._collect()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._collect())

    def __len__(self) -> int:
        return len(self._collect())

    def items(self) -> Any:
        """The names and variables, as they are now."""
        return self._collect().items()

    def to_restore(self, stored: Stored) -> Mapping[str, Variable]:
        """The variables for what a file holds; those whose assignment may fail come first."""
        states: dict[str, Variable] = {}
        plain: dict[str, Variable] = {}
        for item in self._states_and_tensors():
            if isinstance(item, State):
                states |= item.pending(stored)
            else:
                plain[item[0]] = item[1]
        return states | plain

    def _collect(self) -> dict[str, Variable]:
        out: dict[str, Variable] = {}
        for item in self._states_and_tensors():
            out |= item.variables() if isinstance(item, State) else dict([item])
        return out

    def _states_and_tensors(self) -> Iterator[State | tuple[str, Variable]]:
        shared: dict[Any, TensorVariable] = {}
        for name, part in self._parts.items():
            match part:
                case torch.nn.Module():
                    yield from _module_parts(name, part, shared)
                case torch.Tensor():
                    yield name, shared.setdefault(_identity(part), TensorVariable(part))
                case torch.Generator():
                    yield name, GeneratorVariable(part)
                case torch.optim.Optimizer():
                    yield OptimizerState(name, part)
                case _:
                    yield State(name, part.state_dict, part.load_state_dict)


def _module_parts(
    prefix: str, module: torch.nn.Module, shared: dict[Any, TensorVariable]
) -> Iterator[State | tuple[str, Variable]]:
    for key, value in module.state_dict(keep_vars=True).items():
        owner, _, last = key.rpartition(".")
        if last == EXTRA:
            part = module.get_submodule(owner)
            yield State(f"{prefix}/{key}", part.get_extra_state, part.set_extra_state)
        elif is_lazy(value):
            reason = "it has no shape before its module has run once"
            raise UnsupportedValueError(f"{prefix}/{key}", reason)
        else:
            yield f"{prefix}/{key}", shared.setdefault(_identity(value), TensorVariable(value))


def _identity(tensor: torch.Tensor) -> Any:
    """Equal for tensors that are the same memory, so that tied weights are stored once."""
    if tensor.layout != torch.strided or tensor.numel() == 0 or tensor.device.type == "meta":
        return id(tensor)
    return tensor.data_ptr(), tensor.device, tensor.dtype, tensor.shape, tensor.stride()


class TensorVariable:
    """A tensor that is written in place."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    @property
    def value(self) -> torch.Tensor:
        """The tensor, apart from its gradient."""
        return self.tensor.detach()

    def assign(self, tensor: torch.Tensor, /) -> None:
        """Write values into the tensor."""
        with torch.no_grad():
            self.tensor.copy_(tensor)


class GeneratorVariable:
    """The state of a random number generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    @property
    def value(self) -> torch.Tensor:
        """The state as bytes."""
        return self.generator.get_state()

    def assign(self, tensor: torch.Tensor, /) -> None:
        """Continue from a state."""
        self.generator.set_state(tensor.cpu().clone())
