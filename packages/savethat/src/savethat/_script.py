"""Nodes that are part of a script, and how to have them back in another process.

For as long as ``python train.py`` runs, its classes are in the module ``__main__``. A run of one
of them says which file that was, and what it is called where it is imported. To be had back, the
script is executed under that name up to where it runs a node itself: what is there by then is what
was there when the run began.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_files: dict[str, Path] = {}
"""The scripts that were loaded here, by the names of their modules."""
_loading: list[Path] = []
"""Those that are being loaded."""


class Enough(BaseException):  # no ``except Exception`` of the script is to take it
    """A script that is loaded has come to where it runs a node."""


def stop_loading() -> None:
    """End the execution of a script that is loaded; called where a node is run or submitted."""
    if _loading:
        raise Enough


def describe_class(cls: type, project_dir: Path) -> dict[str, str]:
    """Where a node's class is, as ``node`` in ``reproducible.json``.

    ``__module__`` and ``__qualname__``; of a script in the project also ``script``, its path in
    there, and ``import_as``.
    """
    found = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    file, name = _files.get(cls.__module__), cls.__module__
    if name == "__main__":
        main = sys.modules["__main__"]
        file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
        name = spec.name if spec else Path(file or "").stem
    if file is None or "." in Path(file).stem or not Path(file).is_file():
        return found
    path, project = Path(os.path.realpath(file)), Path(os.path.realpath(project_dir))
    if not path.is_relative_to(project):
        return found
    return {**found, "script": path.relative_to(project).as_posix(), "import_as": name}


def load_script(file: Path, name: str) -> ModuleType:
    """Execute a script as the module ``name``, and let pickles find its classes in ``__main__``.

    Raises:
        Exception: What the script raises before it runs a node.
        FileNotFoundError: There is no such script.
    """
    if not file.is_file():
        raise FileNotFoundError(f"the script {file} is not there")
    package = name.rpartition(".")[0]
    if package:
        importlib.import_module(package)
    else:  # as Python does for a script
        sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python script")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name], _files[name] = module, file
    sys.argv[:] = [str(file)]
    _loading.append(file)
    try:
        spec.loader.exec_module(module)
    except Enough:
        pass
    finally:
        _loading.remove(file)
    sys.modules["__main__"] = module
    return module
