"""Bring back the code of a run: as a plugin has kept it, or from git."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from savethat._git import check_out
from savethat._plugins import ask_plugins
from savethat.errors import CodeNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from savethat._context import RunContext


def bring_back_code(run: RunContext, facts: Mapping[str, Any], folder: Path) -> tuple[Path, str]:
    """Put the code of a run into an empty folder.

    Args:
        run: The run; its ``project_dir`` is where the project is now.
        facts: What its ``reproducible.json`` holds.
        folder: Where to.

    Returns:
        The folder of the project in there, and where the code is from.

    Raises:
        CodeNotFound: No plugin has kept it, and git cannot give it either.
    """
    if ask_plugins("load_code", run=run, folder=folder):
        return folder, "saved with the run"
    git = facts.get("git")
    if not git or not git.get("commit"):
        raise CodeNotFound(run.key, "no plugin has kept it, and it was in no git repository")
    commit, diff = git["commit"], git.get("diff") or ""
    where = " of ".join([f"commit {commit}", *git["remotes"].values()])
    if git.get("diff_cut"):
        raise CodeNotFound(run.key, f"its changes to {where} were too large to keep")
    problem = check_out(run.project_dir, commit, diff, folder, git.get("submodules") or {})
    if problem:
        raise CodeNotFound(run.key, f"it was {where}, and {problem}")
    inside = git.get("inside")
    if inside is None:  # earlier versions left it to be found out
        inside = os.path.relpath(os.path.realpath(facts["project_dir"]), git["root"])
    told = f"git, commit {commit[:12]}{' and what was changed in it' if diff else ''}"
    if git["untracked"]:
        told += f"; not in git, so missing: {', '.join(git['untracked'][:5])}"
    if changed := git.get("submodules_changed"):
        told += f"; without the changes in submodules: {', '.join(changed[:5])}"
    return folder / inside, told
