"""States of torch objects: plain data and tensors that are restored as a whole.

An optimizer has no state before its first step, so what there is to restore is decided by the
file: its tensors are gathered first, and the whole state is handed over in one call, as
``torch.load`` and ``load_state_dict`` would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from ckpt._assign import Accepting
from ckpt._pack import pack, tensor_paths, unpack
from ckpt._tensors import make_tensor, tensor_dtype
from ckpt.errors import StateMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ckpt._collection import Stored, Variable
    from ckpt._dtypes import Array

SCHEDULED = {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"}


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
        self.path = ""
        self.before: Any = None

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
        self.path = path
        return text

    def assign(self, text: str, /) -> None:
        """Put the whole state; what its owner refuses leaves the one of before."""
        self.before = self.owner.get()
        try:
            self.owner.restore(unpack(text, self.gathered.__getitem__))
        except Exception as error:
            self.undo()
            reason = f"{type(error).__name__}: {error}"
            raise StateMismatchError(self.path, self.whole, reason) from error

    def undo(self) -> None:
        """Put the state of before."""
        self.owner.put(self.before)

    def _text(self, array: Array) -> str:
        if array.dtype.kind != "S" or array.ndim != 0:
            raise ValueError(f"it is an array of {array.dtype}, not the text of a state")
        return cast("bytes", array.item()).decode()
