"""Results kept by hand: one file for each key, in a folder for the calling function."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expcore import write_file
from persist_to_disk._config import config
from persist_to_disk._guard import PRIVATE_FILE, check_folders, check_owner, make_folder
from persist_to_disk._names import file_of, qualified_name
from persist_to_disk._place import code_file, module_folder
from persist_to_disk._unpickle import loads
from persist_to_disk.errors import ConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import FrameType

PROTOCOL = 4


def get_caller_cache_path(make_if_necessary: bool = True, *, local: bool = False) -> Path:
    """Return the folder in which the calling function may keep its files.

    Args:
        make_if_necessary: Create it.
        local: See :func:`persistf`.

    Returns:
        ``project-[autoid]/module/path/function``, or ``…/Class.function`` in a method.
    """
    folder = _folder(_caller(1), local=local)
    if make_if_necessary:
        make_folder(folder)
    return folder


def manual_cache(  # noqa: PLR0917 -- the parameters of 0.0.7, in its order
    key: str,
    obj: Any = None,
    write: bool = False,
    checkonly: bool = False,
    local: bool = False,
    stacklevel: int = 1,
    alt_root: str | os.PathLike[str] | Callable[[Path], str | os.PathLike[str]] | None = None,
    *,
    trust: bool = False,
) -> Any:
    """Write, read or look for a result by a key of your own.

    Args:
        key: Names the result; the file has this name if it can.
        obj: The result to write.
        write: Write ``obj``. Otherwise read.
        checkonly: Return whether there is a result, without reading it.
        local: See :func:`persistf`.
        stacklevel: Whose folder: 1 is the caller, 2 the caller's caller.
        alt_root: Another folder, or a function from the folder to another.
        trust: Read what other users may write to.

    Returns:
        The result, or None if there is none; when writing, None; with ``checkonly``, a bool.

    Raises:
        ConfigError: Both ``write`` and ``checkonly`` were asked for.
        UnsafePathError: Others may write to the file or its folder.
        OSError: It cannot be written or read.

    >>> manual_cache("scores", [0.9, 0.8], write=True)
    >>> manual_cache("scores")
    [0.9, 0.8]
    """
    if write and checkonly:
        raise ConfigError("checkonly", checkonly, "False when write is True")
    caller = _caller(stacklevel)
    folder = _folder(caller, local=local)
    if alt_root is not None:
        folder = Path(alt_root(folder) if callable(alt_root) else alt_root)
    path = file_of(folder, key)
    if checkonly:
        return path.exists()
    if not trust:
        _check(path)
    if not write:
        module = caller.f_globals.get("__name__", "")
        return loads(path.read_bytes(), module) if path.exists() else None
    make_folder(folder, trust=trust)
    write_file(path, pickle.dumps(obj, PROTOCOL))
    if not trust:
        path.chmod(PRIVATE_FILE)
    return None


def _caller(level: int) -> FrameType:
    """Return the frame that called the caller of this function, or one further out."""
    frame = inspect.currentframe()
    for _ in range(level + 1):
        if frame is None or frame.f_back is None:
            raise ConfigError("stacklevel", level, "no more than the calls there are")
        frame = frame.f_back
    assert frame is not None  # noqa: S101 -- for the type checkers
    return frame


def _folder(frame: FrameType, *, local: bool) -> Path:
    code = frame.f_code
    name = code.co_qualname
    if "self" in frame.f_locals:
        name = f"{type(frame.f_locals['self']).__name__}.{code.co_name}"
    project = config.get_project_path()
    folder = module_folder(code_file(code), project)
    return config.get_project_persist_path(local) / folder / qualified_name(name)


def _check(path: Path) -> None:
    root = config.get_persist_path()
    if path.parent.is_relative_to(root):
        check_folders(root, path.parent)
    else:
        check_folders(path.parent, path.parent)
    if path.exists():
        check_owner(path, path.stat())
