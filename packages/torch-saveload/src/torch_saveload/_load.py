"""Load a model: read, check, then change; on the class a new model, on an instance into it."""

from __future__ import annotations

import dataclasses
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._capture import build, call, decode_config
from ._lazy import LazyBuild, assign, loads_plainly, wanted_dtype
from ._match import Match, Selection, match
from ._pause import gc_paused
from ._places import local_copy
from ._read import read
from ._registry import KnownTypes, decorated
from ._settings import Settings, settings_of
from ._state import State, collect, is_lazy
from ._stored import StoredTensor
from ._unplain import Decoder, Undecodable
from ._versions import plan
from .errors import ClassMismatchError, ConfigError, UntrustedError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    import torch
    from torch import Tensor
    from torch.nn import Module

    from ._report import LoadReport
    from ._stored import Stored

log = logging.getLogger("torch_saveload")


def load_new(
    cls: type[Module],
    path: str | os.PathLike[str],
    strict: bool = True,
    *,
    partial: bool | None = None,
    include: str | Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    map_location: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    verify: bool = True,
    trust: bool = False,
) -> Any:
    """Build a new model from a file.

    Args:
        cls: The decorated class.
        path: A file that ``save`` wrote, or its URL.
        strict: False lets names be missing or left over.
        partial: True loads what fits and logs the rest; what ``@save_load(partial_load=)`` says
            when left out.
        include: Patterns of the names to load, like ``"encoder.*"``.
        rename: Names, or beginnings of names up to a dot, in the file -> in the model.
        map_location: The device of the new model; the CPU when left out.
        dtype: Converts floating-point tensors. When left out, they are as they were saved.
        verify: Compare each tensor with the digest it was saved with.
        trust: Allow pickle for files that this package did not write. It can run any code.

    Returns:
        The model: of this class, or of the subclass that was saved.

    Raises:
        FileNotFoundError: There is no such file.
        FormatError: It is no model file. CorruptError: it was damaged.
        ClassMismatchError: It holds another class.
        VersionMismatchError: It is of another major version.
        ConfigError: Its arguments do not fit the class.
        StateMismatchError: Its tensors do not fit the model.
        UntrustedError: Reading it takes pickle.
    """
    with local_copy(path) as file, gc_paused():
        stored = read(file, verify=verify, trust=trust)
    target = _class_for(cls, stored)
    settings = _settings(target)
    stored = _migrate(target, settings, stored)
    wanted = _selection(settings, strict, partial, include, rename, convert=True)
    with gc_paused():
        made = _new_lazily(target, stored, wanted, dtype, map_location)
        model, found = made or _new(target, stored, wanted, dtype, map_location)
    _finish(model, settings, found, wanted)
    return model


def load_into(
    model: Module,
    path: str | os.PathLike[str],
    strict: bool = True,
    *,
    partial: bool | None = None,
    include: str | Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    map_location: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    verify: bool = True,
    trust: bool = False,
) -> LoadReport:
    """Load a file into this model, which stays on its device.

    Args:
        model: The model to load into.
        path: A file that ``save`` wrote, or any that holds a state_dict.
        strict: False lets names be missing or left over.
        partial: True loads what fits and leaves the rest, also from another class; what
            ``@save_load(partial_load=)`` says when left out.
        include: Patterns of the names to load, like ``"encoder.*"``.
        rename: Names, or beginnings of names up to a dot, in the file -> in the model.
        map_location: Accepted for symmetry with the class; the model stays where it is.
        dtype: Allows a file of other dtypes; values are converted to those of the model.
        verify: Compare each tensor with the digest it was saved with.
        trust: Allow pickle for files that this package did not write. It can run any code.

    Returns:
        What was loaded, and what was not.

    Raises:
        As for the class. Nothing of the model has changed then.
    """
    del map_location
    with local_copy(path) as file, gc_paused():
        stored = read(file, verify=verify, trust=trust)
    settings = _settings(type(model))
    wanted = _selection(settings, strict, partial, include, rename, convert=dtype is not None)
    name = type(model).__qualname__
    same_class = stored.class_name in (None, name)
    if not same_class and not wanted.partial:
        raise ClassMismatchError(stored.path, str(stored.class_name), name)
    if same_class:
        stored = _migrate(type(model), settings, stored)
    state = collect(model)
    found = match(state, stored, _values(type(model), stored), name, wanted)
    _fill(model, state, stored, found)
    _finish(model, settings, found, wanted)
    return found.report


def _new(
    cls: type[Module],
    stored: Stored,
    wanted: Selection,
    dtype: torch.dtype | None,
    device: str | torch.device | None,
) -> tuple[Module, Match]:
    """Build a model the ordinary way and copy the file into it."""
    model = _build(cls, stored)
    state = collect(model)
    found = match(state, stored, _values(cls, stored), cls.__qualname__, wanted)
    for name, there in found.tensors.items():
        here, kind = state.tensors[name], wanted_dtype(there.dtype, dtype)
        if here.dtype != kind and not is_lazy(here):
            here.data = here.data.to(kind)
    _retie(model, state, stored, found, wanted)
    if device is not None:
        model.to(device)
        state = collect(model)
    _fill(model, state, stored, found)
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
        found = match(state, stored, _values(cls, stored), cls.__qualname__, wanted)
        if found.values:
            return None
        _retie(model, state, stored, found, wanted)
        if not assign(model, state, found, dtype, device):
            return None
        if device is not None:
            model.to(device)
    except Exception as error:  # an error that has other causes comes again the ordinary way
        log.debug("%s is built the ordinary way: %s", cls.__qualname__, error)
        return None
    return model, found


def _settings(cls: type) -> Settings:
    settings = settings_of(cls)
    assert settings is not None  # noqa: S101 - methods of decorated classes only
    return settings


def _selection(
    settings: Settings,
    strict: bool,
    partial: bool | None,
    include: str | Iterable[str],
    rename: Mapping[str, str] | None,
    *,
    convert: bool,
) -> Selection:
    return Selection(
        strict=strict,
        partial=settings.partial_load if partial is None else partial,
        include=(include,) if isinstance(include, str) else tuple(include),
        rename=rename,
        convert=convert,
    )


def _class_for(cls: type[Module], stored: Stored) -> type[Module]:
    """Return the class to build: this one, or the subclass that was saved."""
    if stored.class_name is None or stored.class_name == cls.__qualname__:
        return cls
    found = decorated(stored.class_name, cls)
    if found is None or not issubclass(found, cls):
        raise ClassMismatchError(stored.path, stored.class_name, cls.__qualname__)
    return found


def _migrate(cls: type[Module], settings: Settings, stored: Stored) -> Stored:
    name = cls.__qualname__
    steps = plan(
        settings.migrations, stored.version, settings.version, path=stored.path, class_name=name
    )
    if not steps:
        return stored
    arguments = decode_config(cls, stored.config or {})
    tensors = {n: tensor.get() for n, tensor in stored.tensors.items()}
    before = {n: (tensor, stored.tensors[n]) for n, tensor in tensors.items()}
    for step in steps:
        step.function(arguments, tensors)
    return dataclasses.replace(
        stored,
        tensors={n: _migrated(tensor, before.get(n)) for n, tensor in tensors.items()},
        arguments=arguments,
        ties=tuple(tie for tie in stored.ties if all(name in tensors for name in tie)),
    )


def _migrated(tensor: Tensor, before: tuple[Tensor, StoredTensor] | None) -> StoredTensor:
    if before is not None and before[0] is tensor:
        return before[1]
    return StoredTensor(
        dtype=str(tensor.dtype).removeprefix("torch."),
        shape=tuple(tensor.shape),
        same=id(tensor),
        grad=before[1].grad if before else None,
        get=lambda: tensor,
    )


def _build(cls: type[Module], stored: Stored) -> Module:
    if stored.arguments is not None:
        model: Module = call(cls, stored.arguments)
        return model
    if stored.config is not None:
        model = build(cls, stored.config)
        return model
    if stored.call is not None:
        args, kwargs = stored.call
        try:
            return cls(*args, **kwargs)
        except TypeError as error:
            raise ConfigError(cls.__qualname__, "arguments", str(error)) from error
    if "pickled" in stored.without_config:
        raise UntrustedError(stored.path, f"{stored.without_config}, so no model can be built")
    raise ConfigError(
        cls.__qualname__,
        stored.path,
        f"{stored.without_config}: build the model and call load on it",
    )


def _values(cls: type[Module], stored: Stored) -> dict[str, Any]:
    """Return the extra states; those of a file of this package are plain data."""
    if stored.class_name is None:
        return stored.values

    def refuse(name: str, _: object, where: str) -> object:
        raise Undecodable(where, f"a module, {name}, has no place in an extra state")

    decoder = Decoder(KnownTypes(cls), refuse, lambda name: stored.extra[name].get())
    try:
        return {name: decoder.decode(data, name) for name, data in stored.values.items()}
    except Undecodable as error:
        raise ConfigError(cls.__qualname__, error.where, error.problem) from error


def _retie(model: Module, state: State, stored: Stored, found: Match, wanted: Selection) -> None:
    """Make one parameter of those that were one when saved, and are two in the new model."""
    for tie in stored.ties:
        names = [name for name in wanted.renamed(dict.fromkeys(tie)) if name in found.tensors]
        for name in names[1:]:
            if state.tensors[name] is not state.tensors[names[0]]:
                path, _, last = state.originals[name].rpartition(".")
                setattr(model.get_submodule(path), last, state.tensors[names[0]])
                state.tensors[name] = state.tensors[names[0]]


def _fill(model: Module, state: State, stored: Stored, found: Match) -> None:
    """Copy values into a model that they are known to fit."""
    import torch

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


def _finish(model: Module, settings: Settings, found: Match, wanted: Selection) -> None:
    if wanted.partial or not found.report.complete:
        log.log(logging.INFO if found.report.complete else logging.WARNING, "%s", found.report)
    if settings.post_load_hook is not None:
        settings.post_load_hook(model)
