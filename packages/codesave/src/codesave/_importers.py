"""For which codebase, if any, the code that is running imports something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codesave._cache import KEY_LENGTH
from codesave._installed import is_installed, is_installed_file
from codesave._worlds import NAMESPACE, World, running_world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

PREFIX = NAMESPACE + "."
"""Begins the names of all codebases' modules."""
KEY = slice(len(PREFIX), len(PREFIX) + KEY_LENGTH)
"""Where in them the codebase's key stands."""


def _caller_name(frame: FrameType | None) -> object:
    """The module on whose behalf code without one runs, such as ``exec("import x", {})``."""
    while frame is not None:
        name = module_name(frame.f_globals)
        if name is not None and "__codesave_redirect__" not in frame.f_globals:
            return name
        frame = frame.f_back
    return None


def module_name(namespace: Mapping[str, Any]) -> object:
    """Which module the code with these globals is, also where it runs as ``__main__``."""
    name = namespace.get("__name__")
    if name == "__main__":  # by ``python -m`` or runpy, which tell what it was found as
        return getattr(namespace.get("__spec__"), "name", name)
    return name


def calling_world(frame: FrameType | None) -> World | None:
    """The world whose code runs in the frame, or None for all other code."""
    return world_named(_caller_name(frame))


def world_named(module: object) -> World | None:
    """The world that a module lives in, or None for all others."""
    if isinstance(module, str) and module.startswith(PREFIX):
        return running_world(module[KEY])
    return None


def served_world(frame: FrameType | None, name: object) -> World | None:
    """The world that a library imports a module for: it was given the module's name.

    ``pkgutil.resolve_name``, ``unittest.mock.patch`` and hydra import what their caller names.
    They get the module of the codebase that called them, unless an installed package has the name.
    """
    while frame is not None:
        world = calling_world(frame)
        if world is not None:
            top = name.partition(".")[0] if isinstance(name, str) else ""
            return world if top and world.owns(top) and not is_installed(top) else None
        ours = "__codesave_redirect__" in frame.f_globals
        if not ours and not is_installed_file(frame.f_code.co_filename):
            return None
        frame = frame.f_back
    return None
