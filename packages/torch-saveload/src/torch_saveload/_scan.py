"""Look through a model for what was made from parameters on the meta device, and kept."""

from __future__ import annotations

import gc
from collections import OrderedDict
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Module, Parameter

_MACHINERY = {"logging", "threading", "_thread", "weakref", "_weakref"}
_MEMBERS = {"_parameters", "_modules"}
_CONTAINERS = {dict, OrderedDict, set}
_COMMON = {bool, type(None), int, float}
_ATOMS = (int, float, bool, bytes, complex, type(None), type)


def holds_other_meta(modules: list[Module], parameters: list[Parameter]) -> bool:
    """Tell whether the modules hold more of the meta device than their parameters."""
    import torch

    own = {id(parameter) for parameter in parameters}
    seen: set[int] = set()
    todo: list[Any] = [vars(parameter) for parameter in parameters if vars(parameter)]
    for module in modules:
        seen.add(id(module))
        for name, value in vars(module).items():
            kind = type(value)
            # Nearly all of it is empty; submodules are on the list themselves.
            if kind in _CONTAINERS:
                if value and name not in _MEMBERS:
                    todo.append(value)
            elif kind not in _COMMON:
                todo.append(value)
    while todo:
        value = todo.pop()
        if isinstance(value, _ATOMS):
            continue
        if isinstance(value, str):
            if value == "meta":
                return True
        elif isinstance(value, torch.device):
            if value.type == "meta":
                return True
        elif isinstance(value, torch.Tensor):
            if value.is_meta and id(value) not in own:
                return True
        elif id(value) not in seen:
            seen.add(id(value))
            todo += _parts(value)
    return False


def _parts(value: Any) -> list[Any]:
    """Return what a value holds, as far as it can be data of a model."""
    if isinstance(value, ModuleType) or type(value).__module__ in _MACHINERY:
        return []
    if isinstance(value, FunctionType):  # not its globals
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
        return [*cells, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    return gc.get_referents(value)


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
