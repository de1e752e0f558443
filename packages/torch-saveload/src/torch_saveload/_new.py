"""Build a new model from a file: without initial weights where that works, else as ever."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ._build import build, call
from ._fill import extra_states, fill
from ._lazy import LazyBuild, assign, wanted_dtype
from ._match import Match, Selection, match
from ._state import State, collect, is_lazy
from .errors import ConfigError, TorchSaveloadError, UntrustedError

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

    from ._stored import Stored

log = logging.getLogger("torch_saveload")


def new_model(
    cls: type[Module],
    stored: Stored,
    wanted: Selection,
    dtype: torch.dtype | None,
    device: str | torch.device | None,
) -> tuple[Module, Match]:
    """Return a model of the file, and what was loaded.

    Args:
        cls: Its class.
        stored: What the file holds.
        wanted: Which part of that is wanted.
        dtype: For floating-point tensors, or None for that of the file.
        device: Where to, or None for the CPU.

    Raises:
        ConfigError: Its arguments do not fit the class.
        StateMismatchError: Its tensors do not fit the model.
        UntrustedError: Its arguments are pickled.
    """
    lazy = _new_lazily(cls, stored, wanted, dtype, device)
    return lazy or _new(cls, stored, wanted, dtype, device)


def _new(
    cls: type[Module],
    stored: Stored,
    wanted: Selection,
    dtype: torch.dtype | None,
    device: str | torch.device | None,
) -> tuple[Module, Match]:
    """Build a model the ordinary way and copy the file into it."""
    try:
        model = _build(cls, stored)
    except TorchSaveloadError:
        raise
    except Exception as error:  # whatever the arguments of a hostile or outdated file lead to
        raise ConfigError(
            cls.__qualname__, "__init__", f"{type(error).__name__}: {error}"
        ) from error
    state = collect(model)
    found = match(state, stored, extra_states(cls, stored), cls.__qualname__, wanted)
    for name, there in found.tensors.items():
        here, kind = state.tensors[name], wanted_dtype(there.dtype, dtype)
        if here.dtype != kind and not is_lazy(here):
            here.data = here.data.to(kind)
    _convert_unsaved(state, stored, wanted, dtype)
    _retie(model, state, stored, found, wanted)
    if device is not None:
        model.to(device)
        state = collect(model)
    fill(model, state, stored, found)
    for name, there in found.tensors.items():
        if there.grad is not None and state.tensors[name].requires_grad is not there.grad:
            state.tensors[name].requires_grad_(there.grad)
    return model, found


def _new_lazily(
    cls: type[Module],
    stored: Stored,
    wanted: Selection,
    dtype: torch.dtype | None,
    device: str | torch.device | None,
) -> tuple[Module, Match] | None:
    """Build a model without initial weights and give it the file's, or None where that fails."""
    if stored.arguments is not None:
        return None  # a migration may hold modules that were built already
    lazily = LazyBuild()
    try:
        with lazily():
            model = _build(cls, stored)
        if not lazily.is_independent(model):
            return None
        state = collect(model)
        found = match(state, stored, extra_states(cls, stored), cls.__qualname__, wanted)
        if found.values:
            return None
        _retie(model, state, stored, found, wanted)
        if not assign(model, state, found, dtype, device):
            return None
        _convert_unsaved(state, stored, wanted, dtype)
        if device is not None:
            model.to(device)
    except Exception as error:  # an error that has other causes comes again the ordinary way
        log.debug("%s is built the ordinary way: %s", cls.__qualname__, error)
        return None
    return model, found


def _build(cls: type[Module], stored: Stored) -> Module:
    if stored.arguments is not None:
        model: Module = call(cls, stored.arguments)
        return model
    if stored.config is not None:
        model = build(cls, stored.config)
        return model
    if stored.call is not None:
        args, kwargs = stored.call
        return cls(*args, **kwargs)
    if "pickled" in stored.without_config:
        raise UntrustedError(stored.path, f"{stored.without_config}, so no model can be built")
    raise ConfigError(
        cls.__qualname__,
        stored.path,
        f"{stored.without_config}: build the model and call load on it",
    )


def _convert_unsaved(
    state: State, stored: Stored, wanted: Selection, dtype: torch.dtype | None
) -> None:
    """Give buffers that are no part of the state_dict the dtype that they had when saved.

    They are computed by ``__init__`` as ever; of a model that was made half they are half, too.
    """
    for name, kind in wanted.renamed(stored.unsaved).items():
        buffer = state.unsaved.get(name)
        if buffer is not None:
            buffer.data = buffer.data.to(wanted_dtype(kind, dtype))


def _retie(model: Module, state: State, stored: Stored, found: Match, wanted: Selection) -> None:
    """Make one parameter of those that were one when saved, and are two in the new model."""
    for tie in stored.ties:
        names = [name for name in wanted.renamed(dict.fromkeys(tie)) if name in found.tensors]
        for name in names[1:]:
            if state.tensors[name] is not state.tensors[names[0]]:
                path, _, last = state.originals[name].rpartition(".")
                setattr(model.get_submodule(path), last, state.tensors[names[0]])
                state.tensors[name] = state.tensors[names[0]]
