"""Collect the state of a module: its tensors, their names, and which of them are one.

Names are those of the module itself: the prefixes that wrappers inside it add (``torch.compile``,
``DataParallel``, ``DistributedDataParallel``) are taken off, so that files from wrapped and bare
models are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._bytes import dtype_name
from ._index import ITEM_SIZES
from .errors import UnsaveableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from torch.nn import Module

_WRAPPERS = {
    ("torch._dynamo.eval_frame", "OptimizedModule"): "_orig_mod",
    ("torch.nn.parallel.data_parallel", "DataParallel"): "module",
    ("torch.nn.parallel.distributed", "DistributedDataParallel"): "module",
}


@dataclass(frozen=True, slots=True)
class State:
    """The ``state_dict`` of a module under its plain names."""

    tensors: dict[str, Tensor]
    """The very parameters and buffers, not copies."""
    values: dict[str, Any]
    """The extra state of modules that have one, which may be a tensor as well."""
    metadata: dict[str, Any]
    """The versions that modules give their part of the state_dict."""
    originals: dict[str, str]
    """Plain name -> the name in the module's own state_dict."""
    prefixes: dict[str, str]
    """The same for the modules of the metadata."""
    unsaved: dict[str, Tensor]
    """The floating-point buffers that are not in the ``state_dict``."""

    @property
    def ties(self) -> tuple[tuple[str, ...], ...]:
        """Groups of names of one and the same parameter."""
        groups: dict[int, list[str]] = {}
        for name, tensor in self.tensors.items():
            groups.setdefault(id(tensor), []).append(name)
        return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def collect(model: Module) -> State:
    """Return the state of a module, sharing its tensors."""
    import torch

    wrappers, buffers = _wrappers_and_unsaved(model)
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    originals: dict[str, str] = {}
    state: Any = model.state_dict(keep_vars=True)
    for original, value in state.items():
        name = _plain_name(original, wrappers) if wrappers else original
        originals[name] = original
        if isinstance(value, torch.Tensor) and not is_extra_state(name):
            tensors[name] = value
        else:
            values[name] = value
    metadata: dict[str, Any] = {}
    prefixes: dict[str, str] = {}
    for prefix, facts in getattr(state, "_metadata", {}).items():
        plain = _plain_name(f"{prefix}.", wrappers).removesuffix(".")
        metadata[plain], prefixes[plain] = facts, prefix
    unsaved = {_plain_name(name, wrappers): buffer for name, buffer in buffers.items()}
    return State(tensors, values, metadata, originals, prefixes, unsaved)


def modules_of(model: Module) -> list[Module]:
    """Return the model and all modules in it, each once, without the time to name them."""
    found = [model]
    seen = {id(model)}
    for module in found:  # which grows
        for child in module._modules.values():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                found.append(child)
    return found


def unwrap(model: Module) -> Module:
    """Return the module inside torch.compile, DataParallel or DistributedDataParallel."""
    while (inner := _WRAPPERS.get(_type_key(model))) is not None:
        model = getattr(model, inner)
    return model


def is_extra_state(name: str) -> bool:
    """Tell whether this name of a state_dict is that of what ``get_extra_state`` returned."""
    return name.rpartition(".")[2] == "_extra_state"


def check_saveable(tensors: Mapping[str, Tensor], class_name: str) -> None:
    """Refuse tensors whose values cannot be written.

    Raises:
        UnsaveableError: Names the tensor, says why.
    """
    import torch

    ordinary = (torch.Tensor, torch.nn.Parameter)
    dtypes = {getattr(torch, name) for name in ITEM_SIZES if hasattr(torch, name)}
    for name, tensor in tensors.items():
        if (
            type(tensor) in ordinary
            and tensor.dtype in dtypes
            and tensor.layout is torch.strided
            and not tensor.is_meta
            and not tensor.is_nested
        ):
            continue
        if is_lazy(tensor):
            found, remedy = "a lazy parameter without a shape", "run a batch through first"
        elif type(tensor) not in ordinary:
            found = f"a {type(tensor).__qualname__}"
            remedy = (
                "only ordinary tensors can be saved: convert it, or give it by get_extra_state"
            )
        elif tensor.is_meta:
            found, remedy = "on the meta device, without values", "load or initialise it"
        elif tensor.dtype not in dtypes:
            found, remedy = dtype_name(tensor.dtype), "files hold no such dtype: convert it"
        else:
            found = "nested" if tensor.is_nested else f"in layout {tensor.layout}"
            remedy = "make it an ordinary tensor"
        raise UnsaveableError(class_name, f"tensor {name}", found, remedy)


def is_lazy(tensor: Tensor) -> bool:
    """Tell whether a parameter has no shape before the first batch."""
    import torch

    if type(tensor) in (torch.Tensor, torch.nn.Parameter):
        return False
    from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

    return isinstance(tensor, (UninitializedParameter, UninitializedBuffer))


def _type_key(module: object) -> tuple[str, str]:
    return type(module).__module__, type(module).__qualname__


def _wrappers_and_unsaved(model: Module) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """Return what wrappers inside the model add to names, and the buffers that are not saved.

    The former are like ``encoder._orig_mod.``, longest first.
    """
    found: list[str] = []
    unsaved: dict[str, Tensor] = {}
    if not any(
        module._non_persistent_buffers_set or _type_key(module) in _WRAPPERS
        for module in modules_of(model)
    ):
        return (), unsaved
    for path, module in model.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        if inner := _WRAPPERS.get(_type_key(module)):
            found.append(f"{prefix}{inner}.")
        for name in module._non_persistent_buffers_set:
            buffer = module._buffers.get(name)
            if buffer is not None and buffer.is_floating_point():
                unsaved[f"{prefix}{name}"] = buffer
    return tuple(sorted(found, key=len, reverse=True)), unsaved


def _plain_name(name: str, wrappers: tuple[str, ...]) -> str:
    # Longest first: the prefix of an inner wrapper holds those of the outer ones.
    for prefix in wrappers:
        if name.startswith(prefix):
            outer, _, _ = prefix.removesuffix(".").rpartition(".")
            name = (f"{outer}." if outer else "") + name[len(prefix) :]
    return name
