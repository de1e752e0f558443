"""Find the nodes of a project: a package, a folder of modules, or a single module."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savethat._node import Node
from savethat.errors import BrokenModuleWarning, NodeNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def find_nodes(package: str) -> list[type[Node[Any, Any]]]:
    """The nodes that a project's modules define, sorted by name.

    A module that cannot be imported is warned about, and left out.
    """
    nodes = {node for module in _modules(package) for node in _nodes_in(module)}
    return sorted(nodes, key=node_name)


def find_node(package: str, name: str) -> type[Node[Any, Any]]:
    """The node of that name: ``FitOLS``, or in full ``my_project.fit_ols.FitOLS``.

    Raises:
        NodeNotFound: There is none, or several.
    """
    module_name, _, _ = name.rpartition(".")
    if module_name == package or module_name.startswith(f"{package}."):
        # Only this module: the others may be slow, or broken.
        module = _import(module_name)
        found = [node for node in _nodes_in(module) if node_name(node) == name] if module else []
        if found:
            return found[0]
    nodes = find_nodes(package)
    found = [node for node in nodes if name in (node_name(node), node.__qualname__)]
    if len(found) != 1:
        raise NodeNotFound(name, [node_name(node) for node in nodes])
    return found[0]


def node_name(node: type[Node[Any, Any]]) -> str:
    """``module.Class``."""
    return f"{node.__module__}.{node.__qualname__}"


def make_importable(package: str, project_dir: Path | None) -> None:
    """Let a project be imported that was started by the path of a file in it."""
    root = package.partition(".")[0]
    if importlib.util.find_spec(root) is not None:
        return
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    started = Path(main).absolute().parent if main else None
    candidates = [project_dir, project_dir and project_dir / "src"]
    candidates += [started, started and started.parent]
    for folder in candidates:
        if folder and ((folder / root).is_dir() or (folder / f"{root}.py").is_file()):
            sys.path.insert(0, str(folder))
            importlib.invalidate_caches()
            return


def _modules(package: str) -> Iterator[ModuleType]:
    top = _import(package)
    if top is None:
        return
    yield top
    for info in pkgutil.iter_modules(getattr(top, "__path__", ())):
        if info.name != "__main__":
            yield from _modules(f"{package}.{info.name}")


def _import(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also sys.exit() at the top of a script
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
        text = f"the module {name} cannot be imported, so its nodes are missing: {reason}"
        warnings.warn(text, BrokenModuleWarning, stacklevel=2)
        return None


def _nodes_in(module: ModuleType) -> Iterator[type[Node[Any, Any]]]:
    for value in list(vars(module).values()):
        if (
            isinstance(value, type)
            and issubclass(value, Node)
            and value.__module__ == module.__name__
            and not inspect.isabstract(value)
        ):
            yield value
