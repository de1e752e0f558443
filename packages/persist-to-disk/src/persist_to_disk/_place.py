"""Where a function's results lie in the project's folder: ``module/path/function``.

The place follows from the function's source file and qualified name, never from
``__module__``: that is ``__main__`` for a script, and the results of ``python train.py``,
``python -m pipeline.train`` and ``import pipeline.train`` are the same.

=============================================  =============================================
source file                                    folder below ``project-[autoid]``
=============================================  =============================================
``<project>/pipeline/train.py``                ``pipeline/train/f``
elsewhere: ``/lib/tools.py``                   ``(outside)/tools~<digest of the path>/f``
in a zip: ``code.zip/pipeline/train.py``       ``(zip)/code~<digest of the zip>/pipeline/train/f``
none: ``-c``, the REPL, a notebook             ``(interactive)/f``
=============================================  =============================================

A zip is named by its contents, so that two snapshots of the same code never share results
that depend on helper functions, and a snapshot may be moved.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from expcore import digest_bytes, digest_file
from persist_to_disk._names import DIGEST_CHARACTERS, qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

INTERACTIVE, OUTSIDE, ZIP = "(interactive)", "(outside)", "(zip)"


def source_file(function: Callable[..., object]) -> Path | None:
    """Return the absolute path of the file a function was written in, if there is one."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code_file(code) if code is not None else None


def code_file(code: CodeType) -> Path | None:
    """Return the absolute path of the file that code was compiled from, if there is one."""
    path = Path(os.path.abspath(code.co_filename))  # noqa: PTH100 -- links stay as they are
    try:
        return path if path.is_file() or _split_zip(path) else None
    except OSError:  # in a folder that this user may not look into
        return None


def function_folder(source: Path | None, qualname: str, project: Path) -> PurePath:
    """Return the folder of a function, relative to the project's folder.

    Args:
        source: From :func:`source_file`.
        qualname: The function's ``__qualname__``.
        project: The absolute path of the project.

    >>> function_folder(Path("/p/pipeline/train.py"), "Model.fit", Path("/p")).as_posix()
    'pipeline/train/Model.fit'
    """
    return module_folder(source, project) / qualified_name(qualname)


def module_folder(source: Path | None, project: Path) -> PurePath:
    """Return the folder of a source file, relative to the project's folder."""
    if source is None:
        return PurePath(INTERACTIVE)
    if parts := _split_zip(source):
        archive, inside = parts
        return PurePath(ZIP, f"{archive.stem}~{_short(digest_file(archive))}", inside)
    module = source.with_suffix("")
    for path, base in ((module, project), (module.resolve(), project.resolve())):
        if path.is_relative_to(base):
            return path.relative_to(base)
    return PurePath(OUTSIDE, f"{module.name}~{_short(digest_bytes(os.fsencode(module)))}")


def _split_zip(path: Path) -> tuple[Path, PurePath] | None:
    """Return the archive and the module's path in it, if a file of an archive is meant."""
    for parent in path.parents:
        if parent.is_file():
            return parent, path.with_suffix("").relative_to(parent)
        if parent.is_dir():
            return None
    return None


def _short(digest: str) -> str:
    return digest.partition(":")[2][:DIGEST_CHARACTERS]
