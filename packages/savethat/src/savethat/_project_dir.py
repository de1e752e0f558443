"""Where the code of a project is."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from savethat._files import PathLike

PROJECT_FILES = ("savethat.toml", "pyproject.toml", "setup.py", ".git")

_project_dirs: list[Path] = []


def set_project_dir(path: PathLike) -> None:
    """Say where the project's code is, for nodes that are made without a configuration file."""
    _project_dirs[:] = [Path(path).absolute()]


def project_dir_of(cls: type) -> Path:
    """The folder of the code that a class belongs to.

    It is the nearest folder above the class's file with a project's files in it; without one, the
    folder that holds the class's package.
    """
    if _project_dirs:
        return _project_dirs[0]
    try:
        file = Path(inspect.getfile(cls)).absolute()
    except (TypeError, OSError):  # typed into an interpreter
        return Path.cwd()
    for folder in file.parents:
        if any((folder / name).exists() for name in PROJECT_FILES):
            return folder
    depth = cls.__module__.count(".") if cls.__module__ != "__main__" else 0
    return file.parents[min(depth, len(file.parents) - 1)]
