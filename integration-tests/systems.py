"""Take away from our modules what macOS or Windows lacks, and refuse what Windows refuses.

Which names there are is read from typeshed, the stubs that mypy brings along. Only our own modules
see the difference: the standard library and other packages go on as they are. As on Windows, a
file that this process has open can be neither removed nor replaced, :func:`os.open` translates
line ends unless told not to, folders cannot be opened, and modes mean nothing.
"""

from __future__ import annotations

import ast
import builtins
import errno
import multiprocessing
import os
import sys
import time
from contextlib import suppress
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

OURS = {"expcore", "codesave", "persist_to_disk", "savethat", "ckpt", "torch_saveload"}
MODULES = ("fcntl", "mmap", "os", "resource", "signal", "sys", "time")
BINARY = 0x8000
TICK_NS = 15_625_000


def become(system: str) -> None:
    """Let our modules, imported from now on, find themselves on ``darwin`` or ``win32``."""
    changes: dict[str, dict[str, Any]] = {"sys": {"platform": system}}
    if system == "win32":
        times = {"supports_fd": os.supports_fd - {os.utime}, "supports_dir_fd": set[Any]()}
        changes["os"] = {"name": "nt", "O_BINARY": BINARY, "open": _open, **times}
        changes["time"] = {"time_ns": lambda: time.time_ns() // TICK_NS * TICK_NS}
        os.umask(0)
        for name in ("replace", "rename", "unlink", "remove"):
            setattr(os, name, _refusing_what_is_open(getattr(os, name)))
    else:
        changes["mmap"] = {"PAGESIZE": 16384, "ALLOCATIONGRANULARITY": 16384}
        changes["fcntl"] = {"F_FULLFSYNC": 51, "fcntl": _fcntl}
    multiprocessing.set_start_method("spawn")
    there = {name: _Elsewhere(name, system, changes.get(name, {})) for name in MODULES}
    usual = builtins.__import__

    def import_there(name, globals=None, locals=None, fromlist=(), level=0):  # noqa: A002
        importer = str((globals or {}).get("__name__")).partition(".")[0]
        if level or importer not in OURS or name not in there:
            return usual(name, globals, locals, fromlist, level)
        if not _names(name, system):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return there[name]

    builtins.__import__ = import_there


class _Elsewhere(ModuleType):
    """A module of the standard library as it is on another system."""

    def __init__(self, name: str, system: str, changes: dict[str, Any]) -> None:
        super().__init__(name)
        self._here, self._missing = import_module(name), _names(name, "linux")
        self._missing = self._missing - _names(name, system)
        self.__dict__.update(changes)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["_missing"]:
            raise AttributeError(f"there is no {self.__name__}.{name} there")
        return getattr(self.__dict__["_here"], name)


@cache
def _names(module: str, platform: str) -> frozenset[str]:
    """The functions, classes and constants that a module has on a system."""
    import mypy

    stubs = Path(mypy.__file__).parent / "typeshed/stdlib"
    file = stubs / f"{module}.pyi"
    file = file if file.exists() else stubs / module / "__init__.pyi"
    facts = {"sys": SimpleNamespace(platform=platform, version_info=tuple(sys.version_info))}
    found: set[str] = set()

    def walk(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.If):
                walk(node.body if eval(ast.unparse(node.test), facts) else node.orelse)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)

    walk(ast.parse(file.read_text(encoding="utf-8")).body)
    return frozenset(found)


def _open(path: Any, flags: int, mode: int = 0o777) -> int:
    """Open a file as Windows does."""
    if Path(path).is_dir():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    assert flags & BINARY, f"{path} is opened in text mode, which translates line ends"
    return os.open(path, flags & ~BINARY)


def _fcntl(descriptor: int, command: int, argument: Any = 0) -> Any:
    import fcntl

    if command == 51:
        return os.fsync(descriptor)
    return fcntl.fcntl(descriptor, command, argument)


def _refusing_what_is_open(function: Any) -> Any:
    @wraps(function)
    def refusing(*paths: Any, dir_fd: int | None = None, **options: Any) -> Any:
        if dir_fd is None:  # the standard library's own way
            for path in paths:
                if Path(path).is_file() and _is_open(os.path.realpath(path)):
                    raise PermissionError(errno.EACCES, "used by a process", str(path))
        else:
            options["dir_fd"] = dir_fd
        return function(*paths, **options)

    return refusing


def _is_open(path: str) -> bool:
    here = Path("/proc/self")
    if any(line.endswith(path) for line in (here / "maps").read_text("utf-8").splitlines()):
        return True
    for descriptor in (here / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if str(descriptor.readlink()) == path:
                return True
    return False
