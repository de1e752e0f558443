"""Read pickles that name a codebase's classes as the codebase itself names them.

A pickle written by ``train.py`` says ``src.model.Net``. Read for a codebase, that is the
codebase's own class, whether or not the host has a ``src`` too.
"""

from __future__ import annotations

import importlib
import io
import pickle
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from codesave._worlds import World


def unpickler(world: World) -> type[pickle.Unpickler]:
    """A class like :class:`pickle.Unpickler` that looks in the codebase first."""

    class Unpickler(pickle.Unpickler):
        """Finds the classes of one codebase."""

        def find_class(self, module_name: str, global_name: str, /) -> Any:
            own = world.own_name(module_name)
            if own is not None:
                module_name = own
                importlib.import_module(module_name)
            return super().find_class(module_name, global_name)

    return Unpickler


def load(world: World, file: BinaryIO, **options: Any) -> Any:
    """Read one object; the options are those of :func:`pickle.load`."""
    return unpickler(world)(file, **options).load()


def loads(world: World, data: bytes, /, **options: Any) -> Any:
    """Read one object from bytes; the options are those of :func:`pickle.loads`."""
    return load(world, io.BytesIO(data), **options)


def pickle_module(world: World) -> ModuleType:
    """A stand-in for the module :mod:`pickle` that reads for one codebase."""
    module = ModuleType("pickle", "The standard pickle, reading the classes of a codebase.")
    vars(module).update({name: getattr(pickle, name) for name in pickle.__all__})
    vars(module).update(load=partial(load, world), loads=partial(loads, world))
    vars(module)["Unpickler"] = unpickler(world)
    return module
