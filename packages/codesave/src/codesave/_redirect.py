"""Make ``import src`` inside a codebase mean the codebase's own ``src``.

Python looks ``__import__`` up among the builtins, so that is where one function, installed once
per process, decides: code whose module name lies below ``codesave._ns`` and which names a
top-level module of its codebase gets that one; all other imports pass through untouched. The
functions that take a module's name (``importlib.import_module``, ``importlib.resources.files``,
…) are wrapped likewise. No source is changed, and everything else about a module is Python's own
doing.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

from codesave._frames import caller_or_none
from codesave._importers import (
    KEY,
    PREFIX,
    calling_world,
    module_name,
    served_world,
    world_named,
)
from codesave._worlds import World, running_world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PROBE = object()
_seen = threading.local()
__codesave_redirect__ = True  # where a codebase holds codesave too, one redirection calls another
_lock = threading.Lock()
_armed: list[bool] = []


class ImportHookWarning(RuntimeWarning):
    """Something replaced ``builtins.__import__``, and codesave put its own in front again."""


def arm() -> None:
    """Install the redirection, or put it back where something else replaced it."""
    with _lock:
        if _in_place():
            return
        first = not _armed
        if not first:
            warnings.warn(
                "something replaced builtins.__import__ without calling what was there; codebases "
                "would have imported the wrong modules, so codesave's redirection was put back",
                ImportHookWarning,
                stacklevel=3,
            )
        _armed.append(True)
        builtins.__import__ = _redirecting(builtins.__import__)
        if first:
            _wrap_functions()
            _wrap_pickle()


def _in_place() -> bool:
    """Whether an import reaches the redirection, through whatever wraps it."""
    _seen.probed = False
    builtins.__import__(__name__, {"__name__": "__main__", "__spec__": _PROBE}, None, ("arm",), 0)
    return bool(_seen.probed)


def _redirecting(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def __import__(  # noqa: A001, N807
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        importer = globals.get("__name__") if globals else None
        if isinstance(importer, str) and importer != "__main__":
            world = running_world(importer[KEY]) if importer.startswith(PREFIX) else None
        else:
            world = _odd_world(globals, name)
        if world is None:
            return original(name, globals, locals, fromlist, level)
        full_name = name if level else _translate(world, name)
        try:
            if level:
                _refuse_beyond_top(globals or {}, level)
            found = original(full_name, globals, locals, fromlist, level)
        except ImportError as error:
            _use_plain_names(error, world)
            # C code asks so, such as pickle for the class of a host's object: statements give
            # None or a tuple.
            by_c = isinstance(fromlist, list) and not fromlist and globals is locals
            if by_c and error.name == name:
                return original(name, globals, locals, fromlist, level)
            raise
        if full_name == name or fromlist:
            return found
        return sys.modules[_translate(world, name.partition(".")[0])]

    return __import__


def _odd_world(namespace: Mapping[str, Any] | None, name: str) -> World | None:
    """The world that something is imported for by code that bears no module's name."""
    if namespace is None:  # no statement, but a call, maybe by a library for its caller
        frame = caller_or_none(1)
        return calling_world(frame) or served_world(frame, name)
    if "__name__" not in namespace:
        return calling_world(caller_or_none(1))
    if namespace.get("__spec__") is _PROBE:
        _seen.probed = True
    return world_named(module_name(namespace))


def _use_plain_names(error: ImportError, world: World) -> None:
    """Let a failed import tell the module's name as the codebase knows it.

    Code may compare it: ``except ModuleNotFoundError as error: if error.name == "src.extra"``.
    """
    prefix = world.name + "."
    if (error.name or "").startswith(prefix):
        error.name = (error.name or "").removeprefix(prefix)
        error.msg = str(error.msg).replace(prefix, "")
        error.args = (error.msg,)


def _refuse_beyond_top(namespace: Mapping[str, Any], level: int) -> None:
    """A relative import ends at the codebase's top, as it does at the top of ``sys.path``."""
    package = namespace.get("__package__")
    if package is None:
        importer = namespace.get("__name__") or ""
        package = importer if "__path__" in namespace else importer.rpartition(".")[0]
    if not package.startswith(PREFIX):
        return
    depth = package.count(".") - PREFIX.count(".")
    if depth == 0:
        raise ImportError("attempted relative import with no known parent package")
    if level > depth:
        raise ImportError("attempted relative import beyond top-level package")


def _wrap_functions() -> None:
    """Redirect the functions that take the name of a module."""
    import importlib.resources
    import importlib.util
    import pkgutil
    import runpy

    config = sys.modules.get("logging.config")
    if config is not None:  # it keeps the __import__ that it found when it was imported
        vars(config)["BaseConfigurator"].importer = staticmethod(builtins.__import__)
    _wrap(importlib, "import_module")
    _wrap(importlib.util, "find_spec")
    _wrap(pkgutil, "get_data")
    _wrap(pkgutil, "walk_packages")
    _wrap(runpy, "run_module")
    resources = "files contents is_resource open_binary open_text path read_binary read_text"
    for name in resources.split():
        if hasattr(importlib.resources, name):  # they come and go with Python's versions
            _wrap(importlib.resources, name)


def _wrap_pickle() -> None:
    """Let a codebase's own ``pickle.load`` find the classes that a pickle calls by plain names.

    Python's C code looks them up in ``sys.modules``, where the plain name is the host's, if any.
    """
    import pickle

    from codesave import _pickles

    # Libraries have classes of their own derived from these, torch.load and joblib.load too.
    find = {"find_class": _finding(pickle.Unpickler.find_class), "__module__": "pickle"}

    module: Any = pickle
    module.Unpickler = type("Unpickler", (pickle.Unpickler,), find)
    module._Unpickler.find_class = _finding(module._Unpickler.find_class)
    for name in ("load", "loads"):
        original, ours = getattr(pickle, name), getattr(_pickles, name)

        def wrapper(*args: Any, original: Any = original, ours: Any = ours, **kwargs: Any) -> Any:
            world = calling_world(caller_or_none())
            return original(*args, **kwargs) if world is None else ours(world, *args, **kwargs)

        setattr(pickle, name, functools.wraps(original)(wrapper))


def _finding(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def find_class(self: Any, module_name: str, global_name: str, /) -> Any:
        frame = caller_or_none()
        world = calling_world(frame) or served_world(frame, module_name)
        if world is not None:
            module_name = _translate(world, module_name)
        return original(self, module_name, global_name)

    return find_class


def _wrap(module: Any, function: str) -> None:
    """Translate what names a module in a function's arguments, for callers inside a codebase.

    That is the first one, and the package or prefix that another name counts from.
    """
    original = getattr(module, function)
    parameters = list(inspect.signature(original).parameters)
    named = {parameters[0], "package", "prefix"}

    # importlib.resources.files() looks for the frame that called it, and skips this very name.
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        frame = caller_or_none()
        world = calling_world(frame)
        if world is None:
            world = served_world(frame, args[0] if args else kwargs.get(parameters[0]))
        if world is None:
            return original(*args, **kwargs)

        def own(parameter: str, value: Any) -> Any:
            is_name = parameter in named and isinstance(value, str)
            return _translate(world, value) if is_name else value

        of_places = [*parameters, *[""] * len(args)]  # the last may take any number of values
        args = tuple(map(own, of_places, args))
        kwargs = {parameter: own(parameter, value) for parameter, value in kwargs.items()}
        try:
            return original(*args, **kwargs)
        except ImportError as error:
            _use_plain_names(error, world)
            raise

    setattr(module, function, wrapper)


def _translate(world: World, name: str) -> str:
    # A saved codebase may hold a codesave of its own, with modules below that one.
    return name if name.startswith(PREFIX) else world.own_name(name) or name
