"""Whether a name is an installed package or the standard library's, not the host's own code."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from functools import cache
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from pathlib import Path


def comes_with_python(name: str) -> bool:
    """Whether the module is built in or frozen: Python finds these before any folder."""
    return (
        BuiltinImporter.find_spec(name) is not None or FrozenImporter.find_spec(name) is not None
    )


def is_installed(name: str) -> bool:
    """Whether a regular module or package of that name is installed.

    What merely lies in the current folder or on ``PYTHONPATH`` is the host's own, not installed.
    """
    if name in sys.stdlib_module_names:
        return True
    found = PathFinder.find_spec(name, list(_installed_paths()))
    if found is not None and found.origin is not None:
        return True
    # Editable installs come with finders of their own.
    editable = [
        f for f in sys.meta_path if getattr(f, "__module__", "").startswith("__editable__")
    ]
    return any(finder.find_spec(name, None) is not None for finder in editable)


def is_installed_file(path: str) -> bool:
    """Whether a file of code belongs to an installed package or the standard library."""
    return path.startswith("<frozen ") or path.startswith(_installed_paths())


@cache
def _installed_paths() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = [paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"]]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    for folder in dict.fromkeys(folders):
        for path_file in sorted(Path(folder).glob("*.pth")):
            lines = path_file.read_text("utf-8", "replace").splitlines()
            folders += [str(Path(folder, line)) for line in lines if _is_path(line)]
    return tuple(dict.fromkeys(os.path.join(folder, "") for folder in folders))  # noqa: PTH118


def _is_path(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("#", "import ", "import\t"))
