"""The helper functions that a function calls, as far as they are the project's own.

A helper is found by the global names that the code mentions: functions, classes and objects of
them, and what is taken from the project's modules (``package.helpers.clean``); by what a closure
and the defaults hold; and through decorators, partial functions, methods and base classes. What is
found is followed in turn. Calls by other ways (``getattr``, a dictionary of functions, an import
within the body, a method of an argument) are not seen.
"""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from expcore import digest
from persist_to_disk._closure import contents_of, without_contents
from persist_to_disk._place import code_file, source_file
from persist_to_disk._quick import is_constant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CellType

INSTALLED = {"site-packages", "dist-packages"}
_NOTHING = object()


class Helpers:
    """The helper functions of one function.

    Args:
        function: The decorated function.
        project_path: Returns the folder of the project's source files.
    """

    def __init__(self, function: Callable[..., Any], project_path: Callable[[], Path]) -> None:
        self._function, self._project_path = function, project_path
        self._walk: _Walk | None = None
        self._known = ""

    def digest(self) -> str:
        """Return a text that is the same for as long as the helpers' code is."""
        walk = self._walk
        if walk is None or walk.is_outdated():
            walk = _Walk(self._function, self._project_path())
            # As a set: the order of discovery does not count, and equal helpers are one.
            self._known = digest({_code_digest(helper) for helper in walk.helpers})
            self._walk = walk
        return self._known


class _Walk:
    """What was found, and under which names: these may come to mean something else."""

    def __init__(self, function: Callable[..., Any], project: Path) -> None:
        self.helpers: list[FunctionType | type] = []
        self._names: list[tuple[Mapping[str, Any], str, Any]] = []
        self._cells: list[tuple[CellType, Any]] = []
        self._seen: dict[int, object] = {}
        self._bodies: list[tuple[FunctionType, CodeType]] = []
        self._own_globals = getattr(inspect.unwrap(function), "__globals__", None)
        source = source_file(function)
        is_outside = source is not None and not source.is_relative_to(project)
        self._roots = [project, source.parent] if source is not None and is_outside else [project]
        self._waiting: list[Any] = [function]
        while self._waiting:
            self._note(self._waiting.pop())
        self._seen.clear()

    def is_outdated(self) -> bool:
        """Say whether a name means something else by now, as after ``importlib.reload``."""
        now = [(space.get(name, _NOTHING), before) for space, name, before in self._names]
        now += [(contents_of(cell), before) for cell, before in self._cells]
        # As autoreload does, which puts new code into functions that are there.
        return any(function.__code__ is not code for function, code in self._bodies) or any(
            value is not before and type(value) is not before for value, before in now
        )

    def _note(self, value: Any) -> None:
        """Follow a value that the code can reach."""
        if value is None or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        for part in _parts(value):
            self._waiting.append(part)
        if isinstance(value, FunctionType):
            if self._is_own(value):
                self.helpers.append(value)
                self._bodies.append((value, value.__code__))
                self._follow(value)
        elif isinstance(value, type):
            if self._is_own_class(value):
                self.helpers.append(value)
                for name, member in vars(value).items():
                    self._names.append((vars(value), name, _meaning(member)))
                    self._waiting.append(member)
                for base in value.__bases__:
                    self._waiting.append(base)
        elif not isinstance(value, ModuleType):
            self._waiting.append(type(value))

    def _follow(self, function: FunctionType) -> None:
        for code in _codes(function.__code__):
            spaces: list[Mapping[str, Any]] = [function.__globals__]
            for space in spaces:  # which grows
                for name in code.co_names:
                    value = space.get(name, _NOTHING)
                    self._names.append((space, name, _meaning(value)))
                    if isinstance(value, ModuleType):
                        if self._is_own_module(value) and all(
                            vars(value) is not known for known in spaces
                        ):
                            spaces.append(vars(value))
                    elif value is not _NOTHING:
                        self._waiting.append(value)
        for cell in function.__closure__ or ():
            contents = contents_of(cell)
            self._cells.append((cell, contents if is_constant(contents) else _meaning(contents)))
            self._waiting.append(contents)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._waiting.append(default)

    def _is_own(self, function: FunctionType) -> bool:
        source = code_file(function.__code__)
        if source is None:  # of the same notebook or prompt
            return function.__globals__ is self._own_globals
        return self._is_below_roots(source)

    def _is_own_class(self, kind: type) -> bool:
        module = sys.modules.get(kind.__module__)
        if isinstance(module, ModuleType) and module.__name__ != "builtins":
            return self._is_own_module(module)
        return any(
            isinstance(part, FunctionType) and self._is_own(part) for part in vars(kind).values()
        )

    def _is_own_module(self, module: ModuleType) -> bool:
        if vars(module) is self._own_globals:
            return True
        # A package without `__init__.py` has no file.
        # Not by `getattr`: `torch.classes` answers to every name.
        known = vars(module)
        places = [known.get("__file__"), *(known.get("__path__") or ())]
        return any(self._is_below_roots(Path(place)) for place in places if isinstance(place, str))

    def _is_below_roots(self, place: Path) -> bool:
        below = [place.relative_to(root) for root in self._roots if place.is_relative_to(root)]
        # A virtual environment may lie in the project's folder.
        return any(not INSTALLED & set(part.parts) for part in below)


def _meaning(value: Any) -> object:
    """Return what tells whether a name means the same code still: of plain data, the type."""
    is_code = isinstance(value, (FunctionType, type, ModuleType))
    return value if is_code or any(True for _ in _parts(value)) else type(value)


def _parts(value: Any) -> Iterator[Any]:
    """Yield what a function, or what stands for one, consists of."""
    wrapped = inspect.getattr_static(value, "__wrapped__", None)
    if wrapped is not None and not isinstance(value, type):
        yield wrapped
    if isinstance(value, (functools.partial, functools.partialmethod)):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, property):
        yield from (value.fget, value.fset, value.fdel)
    elif isinstance(value, functools.cached_property):
        yield value.func
    elif isinstance(value, (staticmethod, classmethod, MethodType)):
        yield value.__func__


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _code_digest(helper: FunctionType | type) -> str:
    """Return the digest of a helper, without what may change while it runs."""
    if isinstance(helper, type):
        return digest(helper)
    cells = zip(helper.__code__.co_freevars, helper.__closure__ or (), strict=True)
    held = {name: contents_of(cell) for name, cell in cells}
    defaults = [*(helper.__defaults__ or ()), *(helper.__kwdefaults__ or {}).values()]
    constants = {name: value for name, value in held.items() if is_constant(value)}
    return digest((without_contents(helper), constants, [*filter(is_constant, defaults)]))
