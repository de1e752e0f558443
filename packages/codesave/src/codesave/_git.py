"""What git says about a folder: commit, branch, remote and the changes not committed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from codesave._secrets import is_secret
from expcore import without_credentials

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class GitState(TypedDict):
    """The manifest's ``git`` entry; None stands for what git does not know."""

    commit: str | None
    branch: str | None
    remote: str | None
    diff: str
    untracked: list[str]


_SET_INSIDE_HOOKS = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}
"""These would make git answer for another repository than the folder's."""

_PLAIN_DIFF = [
    "-c",
    "diff.suppressBlankEmpty=false",  # of this one there is no option
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--relative",
    "--full-index",
    "--unified=3",
    "--inter-hunk-context=0",
    "--diff-algorithm=myers",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "-O/dev/null",  # on Windows too
]
"""A diff that is the same for everybody, whatever their configuration says of diffs."""


def run_git(folder: Path, *args: str) -> bytes | None:
    """What git prints, or None where it fails: no git, no repository, or the answer "no"."""
    import subprocess

    env = {name: value for name, value in os.environ.items() if name not in _SET_INSIDE_HOOKS}
    env["GIT_OPTIONAL_LOCKS"] = "0"  # asking leaves the index alone
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-c", "core.quotePath=off", *args],  # noqa: S607
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def git_state(folder: Path, saved: Collection[str]) -> GitState | None:
    """Describe the repository that the folder is in, or None where there is none.

    Args:
        folder: The folder that is being saved.
        saved: Relative names of the files that go into the zip. The diff shows these and
            deleted files only, so that what stays out of the zip stays out of the manifest.
    """
    if run_git(folder, "rev-parse", "--is-inside-work-tree") is None:
        return None
    return GitState(
        commit=_line(folder, "rev-parse", "--verify", "-q", "HEAD"),
        branch=_line(folder, "symbolic-ref", "-q", "--short", "HEAD"),
        remote=_remote(folder),
        diff=_diff(folder, saved),
        untracked=sorted(
            {*saved}.intersection(_names(folder, "ls-files", "-z", "-o", "--exclude-standard"))
        ),
    )


def _line(folder: Path, *args: str) -> str | None:
    out = run_git(folder, *args)
    return out.decode("utf-8", "replace").strip() or None if out is not None else None


def _names(folder: Path, *args: str) -> list[str]:
    return [os.fsdecode(name) for name in (run_git(folder, *args) or b"").split(b"\0") if name]


def _remote(folder: Path) -> str | None:
    remotes = (_line(folder, "remote") or "").split()
    name = "origin" if "origin" in remotes else next(iter(remotes), None)
    url = name and _line(folder, "config", "--get", f"remote.{name}.url")
    return without_credentials(url) if url else None


def _diff(folder: Path, saved: Collection[str]) -> str:
    changed = _names(folder, "diff", "--name-only", "--no-renames", "-z", "--relative", "HEAD")
    if not changed:
        return ""
    kept_out = [
        name
        for name in changed
        if name not in saved and (is_secret(name) or os.path.lexists(folder / name))
    ]
    out = run_git(
        folder,
        *_PLAIN_DIFF,
        "HEAD",
        "--",
        ".",
        *(f":(exclude,literal){name}" for name in kept_out),
    )
    return (out or b"").decode("utf-8", "replace")
