"""The state of the code's git repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from expcore import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIFF_BYTES = 10_000_000
TIMEOUT_S = 30
OF_A_HOOK = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
"""Variables that git sets for its hooks, and that would have it look into their repository."""


def git_facts(folder: Path) -> dict[str, Any] | None:
    """The commit, and how the files differ from it; None outside of a repository.

    A diff of more than ten megabytes is cut, and ``diff_cut`` says so.
    """
    root = _git(folder, "rev-parse", "--show-toplevel")
    if root is None:
        return None
    top = Path(root.strip())
    status = _git(top, "status", "--porcelain=v1", "-z", "--untracked-files=all") or ""
    entries = status.split("\0")
    plain = ("--no-ext-diff", "--no-textconv", "--binary", "--ignore-submodules=all")
    diff = _git(top, "diff", *plain, "HEAD") or ""
    submodules = list(_submodules(top))
    return {
        "root": str(top),
        "inside": (_git(folder, "rev-parse", "--show-prefix") or "").strip("/\n"),
        "commit": (_git(top, "rev-parse", "--verify", "HEAD") or "").strip() or None,
        "branch": (_git(top, "symbolic-ref", "--short", "HEAD") or "").strip() or None,
        "remotes": _remotes(top),
        "dirty": any(entry and not entry.startswith("??") for entry in entries),
        "diff": diff[:DIFF_BYTES],
        "diff_cut": len(diff) > DIFF_BYTES,
        "untracked": [entry[3:] for entry in entries if entry.startswith("?? ")],
        "submodules": {path: _head(top / path) or commit for path, commit in submodules},
        "submodules_changed": [p for p, _ in submodules if _git(top / p, "status", "--porcelain")],
    }


def check_out(
    repository: Path, commit: str, diff: str, folder: Path, submodules: Mapping[str, str]
) -> str | None:
    """Put a commit, with changes to it, into an empty folder; the repository stays as it is.

    Args:
        repository: A folder in the repository.
        commit: The commit.
        diff: The changes.
        folder: Where to.
        submodules: The commits of submodules that are not those that the commit names.

    Returns:
        What is in the way; None if nothing is.
    """
    root = _git(repository, "rev-parse", "--show-toplevel")
    if root is None:
        return f"{repository} is in no git repository"
    top = Path(root.strip())
    if _git(top, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        return f"the repository in {top} does not have it; `git fetch` it"
    with TemporaryDirectory(prefix="savethat-") as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        if _git(top, "read-tree", commit, **index) is None:
            return "git cannot read it"
        if _git(top, "checkout-index", "--all", f"--prefix={folder}{os.sep}", **index) is None:
            return "git cannot write its files"
        inner = dict(_submodules(top, **index))
    for path, theirs in {**inner, **submodules}.items():
        problem = path in inner and check_out(top / path, theirs, "", folder / path, {})
        if problem:
            return f"of its submodule {path}, {problem}"
    # As a plain patch: the folder is no repository, and none above it is meant.
    apart = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    if diff and _git(folder, "apply", "--whitespace=nowarn", "-", stdin=diff, **apart) is None:
        return "what was changed in it cannot be applied"
    return None


def _submodules(top: Path, **variables: str) -> Iterator[tuple[str, str]]:
    """The submodules that the index names, and their commits there."""
    for entry in (_git(top, "ls-files", "--stage", "-z", **variables) or "").split("\0"):
        facts, _, path = entry.partition("\t")
        if facts.startswith("160000 "):
            yield path, facts.split()[1]


def _head(folder: Path) -> str | None:
    """The commit of the repository that begins in a folder; None where none does."""
    begins = _git(folder, "rev-parse", "--show-prefix") == "\n"
    return (_git(folder, "rev-parse", "HEAD") or "").strip() or None if begins else None


def _remotes(top: Path) -> dict[str, str]:
    listed = _git(top, "config", "--get-regexp", r"^remote\..*\.url$") or ""
    pairs = (line.partition(" ") for line in listed.splitlines())
    return {key[len("remote.") : -len(".url")]: without_credentials(url) for key, _, url in pairs}


def _git(folder: Path, *words: str, stdin: str = "", **variables: str) -> str | None:
    """What git prints; None where it fails or is missing."""
    inherited = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    environment = {**inherited, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **variables}
    try:
        done = subprocess.run(  # noqa: S603 # no shell, fixed words
            ["git", "-C", str(folder), *words],  # noqa: S607 # git is where the user has it
            capture_output=True,
            env=environment,
            timeout=TIMEOUT_S,
            input=stdin.encode("utf-8", "surrogateescape"),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # What is not UTF-8 is kept: a diff must be applied as it was.
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None
