"""What else a run depended on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from savethat._git import check_out, git_facts
from savethat._reproducible import reproducible_facts

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, *words]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "code.py").write_text("one\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@needs_git
def test_a_clean_repository_has_its_commit(repo: Path) -> None:
    facts = git_facts(repo)

    assert facts is not None
    assert facts["commit"] == git(repo, "rev-parse", "HEAD")
    assert (facts["dirty"], facts["diff"], facts["untracked"]) == (False, "", [])
    assert facts["branch"] == "main"


@needs_git
def test_changes_and_untracked_files_are_kept(repo: Path) -> None:
    (repo / "code.py").write_text("two\n")
    (repo / "sub").mkdir()
    (repo / "sub" / "new file.py").write_text("new\n")

    facts = git_facts(repo / "sub")

    assert facts is not None
    assert facts["dirty"]
    assert "-one\n+two" in facts["diff"]
    assert facts["untracked"] == ["sub/new file.py"]


@needs_git
def test_the_diff_brings_the_code_back(repo: Path, tmp_path: Path) -> None:
    (repo / "code.py").write_text("two\n")
    (repo / "data.bin").write_bytes(bytes(range(256)))
    git(repo, "add", "data.bin")
    facts = git_facts(repo)
    assert facts is not None
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repo), str(clone))
    patch = tmp_path / "patch"
    patch.write_text(facts["diff"])

    git(clone, "apply", str(patch))

    assert (clone / "code.py").read_text() == "two\n"
    assert (clone / "data.bin").read_bytes() == bytes(range(256))


@needs_git
def test_remotes_have_no_tokens(repo: Path) -> None:
    git(repo, "remote", "add", "origin", "https://me:ghp_secret@github.com/me/repo.git")
    git(repo, "remote", "add", "ssh", "git@github.com:me/repo.git")

    facts = git_facts(repo)

    assert facts is not None
    assert facts["remotes"] == {
        "origin": "https://github.com/me/repo.git",
        "ssh": "git@github.com:me/repo.git",
    }
    assert "ghp_secret" not in str(facts)


def test_no_repository_is_no_error(tmp_path: Path) -> None:
    assert git_facts(tmp_path) is None


def test_the_interpreter_and_its_packages_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("MY_TOKEN", "secret")
    monkeypatch.setattr(sys, "argv", ["prog", "--lr", "0.1"])

    facts = reproducible_facts(tmp_path)

    assert facts["argv"] == ["prog", "--lr", "0.1"]
    assert facts["python"]["version"] == platform.python_version()
    assert "savethat" in facts["packages"]
    assert facts["cpu"]["cores"] == os.cpu_count()
    assert facts["environment"]["CUDA_VISIBLE_DEVICES"] == "3"
    assert "secret" not in str(facts)


@needs_git
def test_a_diff_of_text_that_is_not_utf_8_gives_the_very_file(repo: Path, tmp_path: Path) -> None:
    changed = "# coding: latin-1\nname = 'Gauß'\n".encode("latin-1")
    (repo / "code.py").write_bytes(changed)

    facts = json.loads(json.dumps(git_facts(repo)))
    (tmp_path / "code").mkdir()

    assert check_out(repo, facts["commit"], facts["diff"], tmp_path / "code", {}) is None
    assert (tmp_path / "code" / "code.py").read_bytes() == changed


@needs_git
def test_within_a_hook_of_another_repository_the_project_s_is_looked_at(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "other")
    commit = git(repo, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))

    facts = git_facts(repo)

    assert facts is not None
    assert facts["commit"] == commit
