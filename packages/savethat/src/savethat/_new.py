"""``savethat new my_project``: a project to start from.

The files of ``_template`` are written with the project's name in place of ``my_project``; their
ending ``.txt`` keeps tools from taking them for a part of this package.
"""

from __future__ import annotations

import keyword
import sys
from importlib.resources import files
from typing import TYPE_CHECKING

from savethat.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path

PLACEHOLDER = "my_project"


def new_project(name: str, folder: Path) -> list[Path]:
    """Write a project.

    Args:
        name: The name of its package.
        folder: Where to write it; must not be there yet, or be empty.

    Returns:
        The files that were written, relative to ``folder``.

    Raises:
        ConfigError: The name cannot be imported, or the folder holds something.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(None, f"{name!r} is no name of a package; use letters, digits and _")
    if name in sys.stdlib_module_names or name in ("savethat", "tests"):
        raise ConfigError(None, f"a package called {name!r} would hide another one of that name")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(folder, "holds something already; give another name, or a new folder")
    written: list[Path] = []
    for path, text in _files(files("savethat") / "_template"):
        file = folder / path.replace(PLACEHOLDER, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(PLACEHOLDER, name), encoding="utf-8")
        written.append(file.relative_to(folder))
    return sorted(written)


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".txt"):
            yield prefix + entry.name.removesuffix(".txt"), entry.read_text("utf-8")
