"""Build a new model from a file: without initial weights where that works, else as ever."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._build import build, call
from ._fill import extra_states, fill
from ._lazy import LazyBuild, assign, wanted_dtype
from ._match import match
from ._state import collect, is_lazy
from .errors import ConfigError, TorchSaveloadError, UntrustedError

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

    from ._match import Match, Selection
    from ._report import LoadReport
    from ._state import State
    from ._stored import Stored

log = logging.getLogger("torch_saveload")


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model that is to be made of a file."""

    cls: type[Module]
    stored: Stored
    wanted: Selection
    """Which part of the file is wanted."""
    dtype: torch.dtype | None
    """For floating-point tensors, or None for that of the file."""
    device: str | torch.device | None
    """Where to, or None for where ``__init__`` makes it."""

    def make(self) -> tuple[Module, LoadReport]:
        """Return the model, and what was loaded.

        Raises:
            ConfigError: Its arguments do not fit the class.
            StateMismatchError: Its tensors do not fit the model.
            UntrustedError: Its arguments are pickled.
        """
        return self._made_lazily() or self._made_ordinarily()

    def _made_ordinarily(self) -> tuple[Module, LoadReport]:
        """Build a model the ordinary way and copy the file into it."""
        name = self.cls.__qualname__
        try:
            model = self._build()
        except TorchSaveloadError:
            raise
        except Exception as error:  # whatever the arguments of a hostile or outdated file lead to
            raise ConfigError(name, "__init__", f"{type(error).__name__}: {error}") from error
        state = collect(model)
        found = self._match(state)
        for key, there in found.tensors.items():
            here, kind = state.tensors[key], wanted_dtype(there.dtype, self.dtype)
            if here.dtype != kind and not is_lazy(here):
                here.data = here.data.to(kind)
        self._convert_unsaved(state)
        self._retie(model, state, found)
        if self.device is not None:
            model.to(self.device)
            state = collect(model)
        fill(model, state, self.stored, found)
        for key, there in found.tensors.items():
            if there.grad is not None and state.tensors[key].requires_grad is not there.grad:
                state.tensors[key].requires_grad_(there.grad)
        return model, found.report

    def _made_lazily(self) -> tuple[Module, LoadReport] | None:
        """Build a model without initial weights and give it the file's; None where that fails."""
        if self.stored.arguments is not None:
            return None  # a migration may hold modules that were built already
        lazily = LazyBuild()
        try:
            with lazily():
                model = self._build()
            if not lazily.is_independent(model):
                return None
            state = collect(model)
            found = self._match(state)
            if found.values:
                return None
            self._retie(model, state, found)
            if not assign(model, state, found, self.dtype, self.device):
                return None
            self._convert_unsaved(state)
            if self.device is not None:
                model.to(self.device)
        except Exception as error:  # an error that has other causes comes again the ordinary way
            log.debug("%s is built the ordinary way: %s", self.cls.__qualname__, error)
            return None
        return model, found.report

    def _build(self) -> Module:
        cls, stored = self.cls, self.stored
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

    def _match(self, state: State) -> Match:
        values = extra_states(self.cls, self.stored)
        return match(state, self.stored, values, self.cls.__qualname__, self.wanted)

    def _convert_unsaved(self, state: State) -> None:
        """Give buffers that are no part of the state_dict the dtype that they had when saved.

        They are computed by ``__init__`` as ever; of a model that was made half they are half.
        """
        for name, kind in self.wanted.renamed(self.stored.unsaved).items():
            buffer = state.unsaved.get(name)
            if buffer is not None:
                buffer.data = buffer.data.to(wanted_dtype(kind, self.dtype))

    def _retie(self, model: Module, state: State, found: Match) -> None:
        """Make one parameter of those that were one when saved, and are two in the new model."""
        for tie in self.stored.ties:
            names = self.wanted.renamed(dict.fromkeys(tie))
            first, *others = [name for name in names if name in found.tensors] or [""]
            for name in others:
                if state.tensors[name] is not state.tensors[first]:
                    path, _, last = state.originals[name].rpartition(".")
                    setattr(model.get_submodule(path), last, state.tensors[first])
                    state.tensors[name] = state.tensors[first]
