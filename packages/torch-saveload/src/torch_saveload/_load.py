"""Load a model: read, check, then change; on the class a new model, on an instance into it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ._fill import extra_states, fill
from ._match import Selection, match
from ._migrate import migrated
from ._new import NewModel
from ._pause import gc_paused
from ._places import local_copy
from ._read import read
from ._registry import decorated
from ._settings import Settings, settings_of
from ._state import collect
from .errors import ClassMismatchError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    import torch
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
    device: str | torch.device | None = None,
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
        rename: Names, or beginnings of names up to a dot, in the file -> in the model. The
            beginning ``""`` is that of all other names: ``{"": "encoder"}`` puts them there.
        map_location: The device of the new model, as torch.load calls it; that on which
            ``__init__`` makes it when left out, which is the CPU as a rule.
        device: The same.
        dtype: Converts floating-point tensors. When left out, they are as they were saved.
        verify: Compare each tensor with the digest it was saved with.
        trust: Allow pickle for files that this package did not write. It can run any code.

    Returns:
        The model: of this class, or of the subclass that was saved.

    Raises:
        FileNotFoundError: There is no such file.
        FormatError: It is no model file. CorruptError: it was damaged.
        ValueError: ``map_location`` and ``device`` differ, or ``dtype`` is none of floating point.
        ClassMismatchError: It holds another class.
        VersionMismatchError: It is of another major version.
        ConfigError: Its arguments do not fit the class.
        StateMismatchError: Its tensors do not fit the model.
        UntrustedError: Reading it takes pickle.
    """
    place = _one_device(map_location, device)
    _check_dtype(dtype)
    with gc_paused():
        with local_copy(path) as file:
            stored = read(file, verify=verify, trust=trust)
        target = _class_for(cls, stored)
        settings = settings_of(target)
        stored = migrated(target, settings, stored)
        wanted = _selection(settings, strict, partial, include, rename, convert=True)
        model, report = NewModel(target, stored, wanted, dtype, place).make()
        del stored  # before the garbage collector looks
    _finish(model, settings, report, wanted)
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
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    verify: bool = True,
    trust: bool = False,
) -> LoadReport:
    """Load a file into this model, which stays on its device unless another is named.

    Args:
        model: The model to load into.
        path: A file that ``save`` wrote, or any that holds a state_dict.
        strict: False lets names be missing or left over.
        partial: True loads what fits and leaves the rest, also from another class; what
            ``@save_load(partial_load=)`` says when left out.
        include: Patterns of the names to load, like ``"encoder.*"``.
        rename: Names, or beginnings of names up to a dot, in the file -> in the model. The
            beginning ``""`` is that of all other names: ``{"": "encoder"}`` puts them there.
        map_location: Accepted for symmetry with the class; the model stays where it is.
        device: Moves the model there, before it is filled.
        dtype: Allows a file of other dtypes; values are converted to those of the model.
        verify: Compare each tensor with the digest it was saved with.
        trust: Allow pickle for files that this package did not write. It can run any code.

    Returns:
        What was loaded, and what was not.

    Raises:
        As for the class. Nothing of the model has changed then.
    """
    del map_location
    _check_dtype(dtype)
    with local_copy(path) as file, gc_paused():
        stored = read(file, verify=verify, trust=trust)
    settings = settings_of(type(model))
    wanted = _selection(settings, strict, partial, include, rename, convert=dtype is not None)
    name = type(model).__qualname__
    same_class = stored.class_name in (None, name)
    if not same_class and not wanted.partial:
        raise ClassMismatchError(stored.path, str(stored.class_name), name)
    if same_class:
        stored = migrated(type(model), settings, stored)
    state = collect(model)
    found = match(state, stored, extra_states(type(model), stored), name, wanted)
    if device is not None:
        model.to(device)
        state = collect(model)
    fill(model, state, stored, found)
    _finish(model, settings, found.report, wanted)
    return found.report


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


def _one_device(
    map_location: str | torch.device | None, device: str | torch.device | None
) -> str | torch.device | None:
    if map_location is not None and device is not None and str(map_location) != str(device):
        raise ValueError(f"map_location={map_location!r} and device={device!r}: give one of them")
    return map_location if device is None else device


def _check_dtype(dtype: object) -> None:
    import torch

    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype={dtype!r} is no floating-point dtype like torch.bfloat16")


def _class_for(cls: type[Module], stored: Stored) -> type[Module]:
    """Return the class to build: this one, or the subclass that was saved."""
    if stored.class_name is None or stored.class_name == cls.__qualname__:
        return cls
    found = decorated(stored.class_name, cls)
    if found is None or not issubclass(found, cls):
        raise ClassMismatchError(stored.path, stored.class_name, cls.__qualname__)
    return found


def _finish(model: Module, settings: Settings, report: LoadReport, wanted: Selection) -> None:
    if wanted.partial or wanted.include or not report.complete:
        usual = report.complete and report.loaded
        log.log(logging.INFO if usual else logging.WARNING, "%s", report)
    if settings.post_load_hook is not None:
        settings.post_load_hook(model)
