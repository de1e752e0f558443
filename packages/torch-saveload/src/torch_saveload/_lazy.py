"""Build a model without computing its initial weights, and give it those of the file.

While ``__init__`` runs, each parameter is replaced, the moment it is registered, by one on the
meta device: initialisers do nothing there, and memory that was allocated is never touched. Only
parameters are; buffers and plain tensors are computed as ever, which ``torch.device("meta")``
would not do. So are the smallest parameters, biases and norms: to replace one takes longer than
to compute it and to copy the file's over it.

That is no good where something else depends on a parameter. Five ways to notice:

- reading a parameter on the meta device raises (``.item()``, ``if``, ``.to("cuda")``);
- a real parameter that is used by someone else as well (kept in a list, made from a shared tensor,
  a buffer that is a view of it) leaves its storage with more than one user;
- whatever was computed from a parameter and kept is on the meta device, too: the model is scanned,
  for such tensors and for the device itself (``self.device = self.weight.device``);
- a hook on a parameter would be lost with the meta tensor that it belongs to;
- modules that load their state in a way of their own say so by a hook or an overridden method.

Then, and wherever the file does not hold every parameter, the caller builds the ordinary way.
"""

from __future__ import annotations

import functools
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._on_meta import free_on_meta
from ._scan import holds_other_meta
from ._state import modules_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    import torch
    from torch import Tensor
    from torch.nn import Module, Parameter

    from ._match import Match
    from ._state import State

SMALL = 1024
"""Elements of a parameter that is left as it is."""
_attempts = threading.local()
"""Of each thread: ``latest``, the attempt that it is in."""


class LazyBuild:
    """One attempt to build a model without its weights."""

    def __init__(self) -> None:
        import torch

        # Once: what follows is done for each parameter.
        self._kind, self._empty_like = torch.nn.Parameter, torch.empty_like
        self._meta = torch.device("meta")
        self._replaced: dict[int, tuple[Parameter, Parameter]] = {}
        self._storages: list[Any] = []

    @contextmanager
    def __call__(self) -> Generator[None]:
        """Replace the parameters that this thread registers."""
        _see_parameters()
        outer, _attempts.latest = getattr(_attempts, "latest", None), self
        try:
            with free_on_meta():
                yield
        finally:
            _attempts.latest = outer

    def replace(self, parameter: Any) -> Any:
        """Return the parameter on the meta device for one that is registered, None to leave it."""
        if type(parameter) is not self._kind or parameter.numel() <= SMALL or not parameter.is_cpu:
            return None
        known = self._replaced.get(id(parameter))
        if known is None:
            data = self._empty_like(parameter, device=self._meta)
            meta = self._kind._make_subclass(self._kind, data, parameter.requires_grad)
            if parameter.__dict__:
                vars(meta).update(vars(parameter))
            known = self._replaced[id(parameter)] = parameter, meta
            self._storages.append(parameter.untyped_storage())
        return known[1]

    def is_independent(self, model: Module) -> bool:
        """Tell whether nothing but the model's parameters depends on them."""
        import torch

        if not self._replaced:
            return True
        # The parameters themselves go first: then each storage has one user, which is this list.
        self._replaced.clear()
        storages, self._storages = self._storages, []
        alone, users = torch.empty(1).untyped_storage(), torch._C._storage_Use_Count
        fewest = users(alone._cdata)
        if any(users(storage._cdata) > fewest for storage in storages):
            return False
        modules = modules_of(model)
        parameters = _parameters(modules)
        if any(p._backward_hooks or p._post_accumulate_grad_hooks for p in parameters):
            return False
        return not holds_other_meta(modules, parameters)


@functools.cache
def _see_parameters() -> None:
    """Have torch call :func:`_replace` with each parameter, from now on.

    It stays: torch goes through its hooks in all threads, and fails where one comes or goes then.
    """
    from torch.nn.modules.module import register_module_parameter_registration_hook

    register_module_parameter_registration_hook(_replace)


def _replace(_: Module, __: str, parameter: Any) -> Any:
    attempt: LazyBuild | None = getattr(_attempts, "latest", None)
    return None if attempt is None else attempt.replace(parameter)


def assign(
    model: Module,
    state: State,
    found: Match,
    dtype: torch.dtype | None,
    device: str | torch.device | None,
) -> bool:
    """Give a lazily built model the tensors of the file.

    Args:
        model: Its large parameters are on the meta device.
        state: Its state.
        found: What the file holds for it.
        dtype: For floating-point tensors, or None for that of the file.
        device: Where to, or None for the CPU.

    Returns:
        Whether every parameter has values now. If not, the model is of no use.
    """
    import torch

    targets = {id(here): here for here in map(state.tensors.__getitem__, found.tensors)}
    if not loads_plainly(model, state) or any(
        id(parameter) not in targets for parameter in _parameters(modules_of(model))
    ):
        return False
    kinds = {kind: wanted_dtype(kind, dtype) for kind in {t.dtype for t in found.tensors.values()}}
    places: set[object] = set()
    with torch.no_grad():
        for name, there in found.tensors.items():
            here = targets.pop(id(state.tensors[name]), None)
            if here is None:
                continue  # another name of one that is done
            kind, tensor = kinds[there.dtype], there.get()
            grad = here.requires_grad if there.grad is None else there.grad
            if not here.is_meta:
                if here.dtype != kind:
                    here.data = here.data.to(kind)
                here.copy_(tensor)
                if here.requires_grad is not grad:
                    here.requires_grad_(grad)
                continue
            fresh = tensor
            if device is not None or tensor.dtype != kind:
                fresh = tensor.to(device=device, dtype=kind)
            # Parameters that are two stay two, even where the file holds their bytes once.
            if there.same and there.same in places and fresh is tensor:
                fresh = tensor.clone()
            places.add(there.same)
            swap(here, torch.nn.Parameter(fresh, grad))
    if device is not None and torch.device(device).type == "meta":
        return True
    # TorchScript's modules hold their parameters themselves: what is swapped does not reach them.
    return not any(parameter.is_meta for parameter in _parameters(modules_of(model)))


def wanted_dtype(saved: str, dtype: torch.dtype | None) -> torch.dtype:
    """Return the dtype that a tensor gets: its own, or for floating-point the one asked for."""
    import torch

    kind: torch.dtype = getattr(torch, saved)
    return dtype if dtype is not None and kind.is_floating_point else kind


def swap(here: Tensor, fresh: Tensor) -> None:
    """Make ``here`` the tensor ``fresh``, for everyone who holds it."""
    import torch

    # torch.utils.swap_tensors does this and exchanges the attributes, which are to stay; and it
    # refuses tensors with weak references, as those of an LSTM, which are to stay as well.
    torch._C._swap_tensor_impl(here, fresh)


def loads_plainly(model: Module, state: State) -> bool:
    """Tell whether filling its parameters and buffers is all there is to loading a model."""
    from torch import nn
    from torch.nn.modules.batchnorm import _NormBase

    plain = (nn.Module._load_from_state_dict, _NormBase._load_from_state_dict)
    modules = modules_of(model)
    own = {id(parameter) for parameter in _parameters(modules)}
    own.update(id(buffer) for module in modules for buffer in module._buffers.values())
    if type(model).load_state_dict is not nn.Module.load_state_dict or any(
        id(tensor) not in own for tensor in state.tensors.values()
    ):
        return False
    return all(
        type(module)._load_from_state_dict in plain
        and type(module).set_extra_state is nn.Module.set_extra_state
        and not module._load_state_dict_pre_hooks
        and not module._load_state_dict_post_hooks
        for module in modules
    )


def _parameters(modules: Iterable[Module]) -> list[Parameter]:
    """Return the parameters of the modules, without the time it takes to name them."""
    return [p for module in modules for p in module._parameters.values() if p is not None]
