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

from codesave._cache import KEY_LENGTH
from codesave._frames import caller_or_none
from codesave._installed import is_installed, is_installed_file
from codesave._worlds import NAMESPACE, World, running_world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

_PREFIX = NAMESPACE + "."
_KEY = slice(len(_PREFIX), len(_PREFIX) + KEY_LENGTH)
_PROBE = "codesave probe"
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
        if _armed:
            warnings.warn(
                "something replaced builtins.__import__ without calling what was there; codebases "
                "would have imported the wrong modules, so codesave's redirection was put back",
                ImportHookWarning,
                stacklevel=3,
            )
        else:
            _wrap_functions()
            _wrap_pickle()
            _armed.append(True)
        builtins.__import__ = _redirecting(builtins.__import__)


def _in_place() -> bool:
    """Whether an import reaches the redirection, through whatever wraps it."""
    _seen.probed = False
    builtins.__import__(__name__, {"__name__": _PROBE}, None, ("arm",), 0)
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
        if importer is None:
            importer = _caller_name(caller_or_none())
        if not isinstance(importer, str) or not importer.startswith(_PREFIX):
            if importer == _PROBE:
                _seen.probed = True
            return original(name, globals, locals, fromlist, level)
        world = running_world(importer[_KEY])
        full_name = name if level else _translate(world, name)
        try:
            if level:
                _refuse_beyond_top(importer, globals or {}, level)
            found = original(full_name, globals, locals, fromlist, level)
        except ImportError as error:
            _use_plain_names(error, world)
            raise
        if full_name == name or fromlist:
            return found
        return sys.modules[world.full_name(name.partition(".")[0])]

    return __import__


def _use_plain_names(error: ImportError, world: World) -> None:
    """Let a failed import tell the module's name as the codebase knows it.

    Code may compare it: ``except ModuleNotFoundError as error: if error.name == "src.extra"``.
    """
    prefix = world.name + "."
    if (error.name or "").startswith(prefix):
        error.name = (error.name or "").removeprefix(prefix)
        error.msg = str(error.msg).replace(prefix, "")
        error.args = (error.msg,)


def _refuse_beyond_top(importer: str, namespace: Mapping[str, Any], level: int) -> None:
    """A relative import ends at the codebase's top, as it does at the top of ``sys.path``."""
    package = namespace.get("__package__")
    if package is None:
        package = importer if "__path__" in namespace else importer.rpartition(".")[0]
    if not package.startswith(_PREFIX):
        return
    depth = package.count(".") - _PREFIX.count(".")
    if depth == 0:
        raise ImportError("attempted relative import with no known parent package")
    if level > depth:
        raise ImportError("attempted relative import beyond top-level package")


def _caller_name(frame: FrameType | None) -> object:
    """The module on whose behalf code without one runs, such as ``exec("import x", {})``."""
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name is not None and "__codesave_redirect__" not in frame.f_globals:
            return name
        frame = frame.f_back
    return None


def calling_world(frame: FrameType | None) -> World | None:
    """The world whose code runs in the frame, or None for all other code."""
    name = _caller_name(frame)
    if isinstance(name, str) and name.startswith(_PREFIX):
        return running_world(name[_KEY])
    return None


def _served_world(frame: FrameType | None, name: object) -> World | None:
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


def _wrap_functions() -> None:
    """Redirect the functions that take the name of a module."""
    import importlib.resources
    import importlib.util
    import pkgutil
    import runpy

    _wrap(importlib, "import_module", package=1)
    _wrap(importlib.util, "find_spec", package=1)
    _wrap(pkgutil, "get_data")
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
        world = calling_world(frame) or _served_world(frame, module_name)
        if world is not None:
            module_name = _translate(world, module_name)
        return original(self, module_name, global_name)

    return find_class


def _wrap(module: Any, function: str, *, package: int | None = None) -> None:
    """Translate the first argument of a function, for callers inside a codebase.

    ``package`` is the position of the package that a relative name counts from, if it has one.
    """
    original = getattr(module, function)
    first = next(iter(inspect.signature(original).parameters))

    # importlib.resources.files() looks for the frame that called it, and skips this very name.
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        frame = caller_or_none()
        world = calling_world(frame)
        if world is None and function == "import_module":
            world = _served_world(frame, args[0] if args else kwargs.get(first))
        if world is None:
            return original(*args, **kwargs)
        if args and isinstance(args[0], str):
            args = (_translate(world, args[0]), *args[1:])
        elif isinstance(kwargs.get(first), str):
            kwargs[first] = _translate(world, kwargs[first])
        if package is not None and len(args) > package and isinstance(args[package], str):
            args = (*args[:package], _translate(world, args[package]), *args[package + 1 :])
        elif isinstance(kwargs.get("package"), str):
            kwargs["package"] = _translate(world, kwargs["package"])
        try:
            return original(*args, **kwargs)
        except ImportError as error:
            _use_plain_names(error, world)
            raise

    setattr(module, function, wrapper)


def _translate(world: World, name: str) -> str:
    top = name.partition(":")[0].partition(".")[0]
    # A saved codebase may hold a codesave of its own, with modules below that one.
    inside = top and not name.startswith(_PREFIX) and world.owns(top)
    return world.full_name(name) if inside else name
