"""The world of one codebase: which names are its own, and its modules in ``sys.modules``."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from codesave._cache import cache_folder, cached, top_level, unpack
from codesave._installed import comes_with_python, is_installed
from codesave.errors import CodebaseNotCachedError

if TYPE_CHECKING:
    from types import ModuleType

    from codesave._checks import Limits

log = logging.getLogger("codesave")

NAMESPACE = f"{__package__}._ns"
"""Not a literal: a saved codebase may hold codesave itself, in a world of its own."""
_FULL = 2
"""The generation of a collection that looks at everything."""

_worlds: dict[str, World] = {}
_lock = threading.Lock()
_closed: list[World] = []
"""Those that nobody has open, in ``sys.modules`` for as long as something uses their modules."""


class World:
    """A codebase that can be imported from."""

    def __init__(self, key: str, code: Path) -> None:
        self.key, self.code = key, code
        self.name = f"{NAMESPACE}.{key}"
        """The package that its modules live in."""
        self.users = 0
        """How many :class:`codesave.Codebase` blocks have it open."""
        self.kept = False
        """Whether its modules stay in ``sys.modules`` for good."""
        self._top = dict(sorted(top_level(code)))
        self._owned: dict[str, bool] = {}
        self._added: dict[tuple[str, str], str] = {}
        self._places = tuple(f"{path}{os.sep}" for path in {code, code.resolve()})
        self._retired: weakref.ref[_Retired] | None = None

    @property
    def modules(self) -> tuple[str, ...]:
        """The names that can be imported from its top, other than bare folders without code."""
        return self.modules_in("")

    def modules_in(self, package: str) -> tuple[str, ...]:
        """The names that can be imported from a package at its top, or from the top itself."""
        folder = self.code / package
        return tuple(
            name
            for name, is_module in sorted(top_level(folder))
            if name.isidentifier()
            and name not in {"__main__", "__init__"}
            and (is_module or any((folder / name).rglob("*.py")))
        )

    def report(self, zip_name: str, *, verbose: bool) -> None:
        """Log which modules were found in the zip."""
        if log.isEnabledFor(level := logging.INFO if verbose else logging.DEBUG):
            log.log(level, "%s has the modules: %s", zip_name, ", ".join(self.modules) or "none")

    def owns(self, name: str) -> bool:
        """Whether ``import name`` in the codebase means its own top-level module.

        As for a folder at the start of ``sys.path``: modules and packages come first; a bare
        folder gives way to an installed package, though not to another bare folder.
        """
        owned = self._owned.get(name)
        if owned is None:
            is_module = self._top.get(name)
            # The zip's launcher is no module of the code: __main__ is the program that runs.
            owned = is_module is not None and name != "__main__" and not comes_with_python(name)
            if owned and not is_module:
                owned = not is_installed(name)
            self._owned[name] = owned
        return owned

    def full_name(self, module: str) -> str:
        """The name in ``sys.modules`` of a module that the codebase calls ``module``."""
        return f"{self.name}.{module}"

    def own_name(self, module: str) -> str | None:
        """The full name of what ``import module`` in the codebase means; None if not its own.

        Code may have put a folder of the codebase on ``sys.path``: what lies there is found as a
        part of that folder, since by its plain name another version's may be loaded already.
        """
        top = module.partition(":")[0].partition(".")[0]
        if not top:
            return None
        if self.owns(top):
            return self.full_name(module)
        for place in map(str, sys.path):  # other things may stand there, which Python skips
            if place.startswith(self._places):
                folder = self._added.get((place, top))
                if folder is None:
                    folder = self._added[place, top] = self._adding(place, top)
                if folder:
                    return self.full_name(f"{folder}.{module}")
        return None

    def _adding(self, place: str, top: str) -> str:
        """The dotted name of a folder that adds a module to those that are found otherwise."""
        folder, code = Path(place).resolve(), self.code.resolve()
        parts = folder.relative_to(code).parts if folder.is_relative_to(code) else ()
        if not parts or any("." in part for part in parts) or not folder.is_dir():
            return ""
        if (top, True) not in top_level(folder) or is_installed(top):
            return ""
        return ".".join(parts) if self._leads_to(parts) else ""

    def _leads_to(self, parts: tuple[str, ...]) -> bool:
        """Whether a folder can be imported: a module may have its name, or its __init__ fail."""
        place = self.code
        for part in parts:
            if {(part, False), (part, True)} <= {*top_level(place)}:  # the module comes first
                return False
            place /= part
        try:
            importlib.import_module(self.full_name(".".join(parts)))
        except Exception:  # Python does not run it for what it finds by sys.path
            return False
        return True

    def loaded(self) -> dict[str, ModuleType]:
        """Its modules in ``sys.modules``, by their full names."""
        inside = self.name + "."
        return {
            name: module
            for name, module in sys.modules.copy().items()
            if name == self.name or name.startswith(inside)
        }

    def retire(self) -> None:
        """Take its modules out of ``sys.modules``.

        They live on for as long as something still uses one of their functions or classes, and
        :meth:`revive` puts them back. Once nothing uses them, they are gone.
        """
        modules = self.loaded()
        retired = _Retired(modules)
        for name, module in modules.items():
            del sys.modules[name]
            # A function refers to its module's globals, and through them to all the others. What a
            # module put in its own place may be a class, or have no such dictionary.
            if isinstance(namespace := getattr(module, "__dict__", None), dict):
                namespace["__codesave_retired__"] = retired
        self._retired = weakref.ref(retired) if modules else None
        parent = sys.modules.get(NAMESPACE)
        if parent is not None:
            vars(parent).pop(self.key, None)

    def revive(self) -> bool:
        """Put retired modules back into ``sys.modules``; False if nothing used them any more."""
        retired = None if self._retired is None else self._retired()
        if retired is not None:
            sys.modules.update(retired.modules)
        return retired is not None

    def start_afresh(self) -> None:
        """Forget the modules that were imported before, unless they are kept for good."""
        if not self.kept and not self.users:
            self.retire()
            self._retired = None

    def close(self) -> None:
        """Take its modules out of ``sys.modules`` as soon as nothing uses them."""
        if self.kept or self.users or self in _closed:
            return
        if _retire_unused not in gc.callbacks:
            gc.callbacks.append(_retire_unused)
        _closed.append(self)


def _retire_unused(phase: str, info: dict[str, int]) -> None:
    """Let the garbage collector find out which closed worlds are still in use.

    For the length of a full collection they are out of ``sys.modules``. What then still lives is
    put back: :mod:`dataclasses`, :mod:`typing` and :mod:`inspect` look there for a class's module.
    """
    if info["generation"] < _FULL:
        return
    if phase == "start":
        _closed[:] = [world for world in _closed if not world.kept and not world.users]
        for world in _closed:
            world.retire()
    else:
        _closed[:] = [world for world in _closed if world.revive()]


class _Retired:
    """Modules that are no longer in ``sys.modules``."""

    def __init__(self, modules: dict[str, ModuleType]) -> None:
        self.modules = modules


def open_world(zip_path: Path, digest: str | None, limits: Limits) -> World:
    """The world of a zip, which is unpacked into the cache unless it is there.

    Takes and raises what :func:`codesave._cache.unpack` does.
    """
    code = unpack(zip_path, digest, limits)
    return _world(code.parent.name, code)


def running_world(key: str) -> World:
    """The world of code that is running; :func:`world_of` without a look at the disk."""
    return _worlds.get(key) or world_of(key)


def world_of(key: str) -> World:
    """The world of a codebase that was unpacked before, maybe by another process.

    Raises:
        CodebaseNotCachedError: The cache does not hold it.
    """
    known = _worlds.get(key)
    if known is not None and known.code.is_dir():
        return known
    code = cached(key)
    if code is None:
        raise CodebaseNotCachedError(key, str(cache_folder()))
    return _world(key, code)


def _world(key: str, code: Path) -> World:
    with _lock:
        known = _worlds.get(key)
        if known is None or known.code != code:
            if known is not None:  # unpacked in another cache: its modules would not find theirs
                known.retire()
            known = _worlds[key] = World(key, code)
        return known
