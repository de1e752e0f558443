"""torch's modules, optimizers, schedulers and generators as one collection of variables.

A module's parameters and buffers are variables as they are. An optimizer has no state before its
first step, so what there is to restore is decided by the file: its tensors are gathered first,
and the whole state is handed over in one call, as ``torch.load`` and ``load_state_dict`` would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler

from ckpt._assign import Accepting
from ckpt._collection import Stored, VarCollection, Variable
from ckpt._pack import pack, tensor_paths, unpack
from ckpt._tensors import make_tensor, tensor_dtype
from ckpt.errors import InvalidOptionError, NotAVarCollectionError, StateMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ckpt._dtypes import Array

KINDS: dict[type, str] = {
    torch.nn.Module: "model",
    torch.optim.Optimizer: "optimizer",
    LRScheduler: "scheduler",
    torch.Generator: "generator",
}
SCHEDULED = {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"}
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


class State:
    """An object whose state is plain data and tensors: its text is one variable, each tensor one.

    Args:
        name: The name of the text; the tensors are called ``name/path``.
        get: Gives the state.
        put: Takes a state.
    """

    def __init__(self, name: str, get: Callable[[], Any], put: Callable[[Any], Any]) -> None:
        self.name, self.get, self.put = name, get, put

    def variables(self) -> dict[str, Variable]:
        """The variables to save."""
        text, tensors = pack(self.name, self.get())
        out: dict[str, Variable] = {self.name: Fixed(np.array(text.encode()))}
        return out | {f"{self.name}/{path}": Fixed(value) for path, value in tensors.items()}

    def pending(self, stored: Stored) -> dict[str, Variable]:
        """The variables to restore what a file holds; the text, which comes last, puts it all."""
        gathered: dict[str, torch.Tensor] = {}
        text = PendingText(self, gathered)
        paths = text.paths(stored) if self.name in stored else []
        out: dict[str, Variable] = {
            f"{self.name}/{path}": PendingTensor(self.name, gathered, path) for path in paths
        }
        return out | {self.name: text}

    def check(self, state: Any) -> None:
        """Refuse a state that does not fit.

        Raises:
            ValueError: It does not.
        """

    def restore(self, state: Any) -> None:
        """Hand the state over."""
        self.put(state)


class OptimizerState(State):
    """The state of an optimizer, checked against its parameters."""

    def __init__(self, name: str, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(name, optimizer.state_dict, optimizer.load_state_dict)
        self.optimizer = optimizer

    def check(self, state: Any) -> None:
        """Refuse the state of other parameters, or of another kind of optimizer."""
        mine = self.optimizer.param_groups
        groups: list[dict[str, Any]] = state["param_groups"]
        sizes = [len(group["params"]) for group in groups]
        if sizes != [len(group["params"]) for group in mine]:
            expected = [len(group["params"]) for group in mine]
            raise ValueError(f"its groups have {sizes} parameters, those here {expected}")
        for group, saved in zip(mine, groups, strict=True):
            # A newer torch adds settings and a scheduler adds some; another kind does both ways.
            lacking = self.optimizer.defaults.keys() - saved.keys()
            surplus = saved.keys() - group.keys() - SCHEDULED
            if lacking and surplus:
                raise ValueError(
                    f"it is of another kind of optimizer: it has {', '.join(sorted(surplus))} "
                    f"and lacks {', '.join(sorted(lacking))}"
                )

    def restore(self, state: Any) -> None:
        """Hand the state over, and put back what torch casts to the dtype of the parameters."""
        self.put(state)
        indices = [i for group in state["param_groups"] for i in group["params"]]
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        for index, param in zip(indices, params, strict=True):
            for key, value in state["state"].get(index, {}).items():
                mine = self.optimizer.state[param]
                if isinstance(value, torch.Tensor) and mine[key].dtype != value.dtype:
                    mine[key] = value.to(mine[key].device)


class Fixed:
    """A value to save; what is restored goes through :meth:`State.pending` instead."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def assign(self, tensor: Any, /) -> None:
        """Refuse: one tensor of a state cannot be replaced alone."""
        del tensor
        raise TypeError("restore the whole collection: parts of a state cannot be assigned")


class PendingTensor(Accepting):
    """A tensor of a state that is being gathered."""

    value = None

    def __init__(self, whole: str, gathered: dict[str, torch.Tensor], path: str) -> None:
        self.whole, self.gathered, self.path = whole, gathered, path

    def accept(self, path: str, name: str, array: Array) -> torch.Tensor:
        """Turn the stored array into a tensor of its own memory."""
        dtype = tensor_dtype(array.dtype)
        if dtype is None:
            raise StateMismatchError(path, name, f"torch has no dtype for {array.dtype}")
        return make_tensor(array, dtype).clone()

    def assign(self, tensor: torch.Tensor, /) -> None:
        """Keep it for the state."""
        self.gathered[self.path] = tensor


class PendingText(Accepting):
    """The text of a state; assigned last, it puts the gathered tensors in place."""

    value = None

    def __init__(self, owner: State, gathered: dict[str, torch.Tensor]) -> None:
        self.whole, self.owner, self.gathered = owner.name, owner, gathered

    def paths(self, stored: Stored) -> list[str]:
        """The paths of the tensors that the state has."""
        try:
            return list(tensor_paths(self._text(stored.read(self.whole))))
        except ValueError as error:
            raise StateMismatchError(stored.path, self.whole, str(error)) from error

    def accept(self, path: str, name: str, array: Array) -> str:
        """Check that the state fits before anything is assigned."""
        try:
            text = self._text(array)
            self.owner.check(unpack(text, lambda _: None))
        except (ValueError, KeyError, TypeError) as error:
            raise StateMismatchError(path, name, str(error)) from error
        return text

    def assign(self, text: str, /) -> None:
        """Put the whole state."""
        self.owner.restore(unpack(text, self.gathered.__getitem__))

    def _text(self, array: Array) -> str:
        if array.dtype.kind != "S" or array.ndim != 0:
            raise ValueError(f"it is an array of {array.dtype}, not the text of a state")
        return cast("bytes", array.item()).decode()
