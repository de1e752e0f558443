"""The savethat plugin: each run's folder holds the code that ran, as ``code.zip``."""

from __future__ import annotations

import logging
import stat
from pathlib import Path
from shutil import copy2, copytree
from typing import TYPE_CHECKING, Protocol

import pluggy

from codesave._cache import unpack
from codesave._save import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from codesave._snapshot import Snapshot

log = logging.getLogger("codesave")
hookimpl = pluggy.HookimplMarker("savethat")

ARTIFACT_NAME = "code.zip"


class Run(Protocol):
    """What the plugin uses of savethat's run."""

    key: str
    folder: Path
    project_dir: Path

    def add_artifact(self, path: Path, *, kind: str, by: str) -> object:
        """List a file in the run."""
        ...


@hookimpl
def run_start(run: Run) -> None:
    """Save the project's code before anything of the run has changed it."""
    target = Path(run.folder) / ARTIFACT_NAME
    ignore = [_without(_results_of(run))]
    snapshot = checkpoint(run.project_dir, target, ignore=ignore, verbose=False)
    run.add_artifact(target, kind="code", by="codesave")
    _warn_of_settings(snapshot)


@hookimpl
def load_code(run: Run, folder: Path) -> bool | None:
    """Put the code that an old run has saved into an empty folder."""
    archive = Path(run.folder) / ARTIFACT_NAME
    if not archive.is_file():
        return None
    code = unpack(archive)
    # Its own: a node may write there, and Windows removes no file that is read-only.
    copytree(code, folder, dirs_exist_ok=True, copy_function=_copy_writable)
    return True


def _warn_of_settings(snapshot: Snapshot) -> None:
    """Name the settings with a key in them, which the code may not run without."""
    names = "; ".join(str(out) for out in snapshot.left_out if out.reason.startswith("holds "))
    if names:
        log.warning(
            "%s leaves out: %s (checkpoint's include= takes such files in; for those named in "
            ".codesaveignore there is no warning)",
            ARTIFACT_NAME,
            names,
        )


def _results_of(run: Run) -> Path:
    """The folder in the project that holds all runs; earlier results are no code."""
    project, folder = Path(run.project_dir).resolve(), Path(run.folder).resolve()
    key = Path(run.key).parts
    storage = folder.parents[len(key) - 1] if folder.parts[-len(key) :] == key else folder
    if project in storage.parents:
        return storage
    # Runs lie in the project itself, or somewhere else altogether.
    return project / folder.relative_to(project).parts[0] if project in folder.parents else folder


def _without(unwanted: Path) -> Callable[[str, list[str]], list[str]]:
    """A filter that leaves out one folder."""

    def drop(folder: str, names: list[str]) -> list[str]:
        here = Path(folder).resolve()
        return [name for name in names if here == unwanted.parent and name == unwanted.name]

    return drop


def _copy_writable(source: str, target: str) -> None:
    copy2(source, target)
    Path(target).chmod(Path(target).stat().st_mode | stat.S_IWUSR)
