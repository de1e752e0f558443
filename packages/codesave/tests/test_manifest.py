"""What the manifest tells about where the code came from, and what it never tells."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import zipfile

import pytest

from codesave import checkpoint


def manifest(zip_path) -> dict:
    with zipfile.ZipFile(zip_path) as archive:
        return json.loads(archive.read(".codesave.json"))


@pytest.fixture
def repository(tree):
    """A repository with one commit and a remote; returns (folder, git)."""
    folder = tree({"a.py": "x = 1\n", "gone.py": "y\n", ".env": "TOKEN=old\n", "sub/b.py": "1\n"})

    def git(*args: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(
            ["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    try:
        git("init", "-q", "-b", "main")
    except OSError:
        pytest.skip("git is not installed")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("remote", "add", "origin", "https://me:ghp_secret@example.org/me/code.git")
    return folder, git


def test_it_names_files_interpreter_and_distributions(tree, tmp_path):
    path = checkpoint(tree({"src/a.py": "x = 1\n"}), tmp_path / "o.zip", verbose=False)

    found = manifest(path)

    digest = "sha256:" + hashlib.sha256(b"x = 1\n").hexdigest()
    assert found["format"] == "codesave 1"
    assert found["files"]["src/a.py"] == {"digest": digest, "bytes": 6}
    assert found["generated"] == ["__main__.py"]
    assert found["python"]["version"] == platform.python_version()
    assert "pytest" in found["distributions"]
    assert found["git"] is None


def test_it_names_commit_branch_remote_and_changes(repository, tmp_path):
    folder, git = repository
    (folder / "a.py").write_text("x = 2\n")
    (folder / "gone.py").unlink()
    (folder / "new.py").write_text("")

    found = manifest(checkpoint(folder, tmp_path / "o.zip", verbose=False))["git"]

    assert found["commit"] == git("rev-parse", "HEAD")
    assert found["branch"] == "main"
    assert found["remote"] == "https://example.org/me/code.git"
    assert "-x = 1\n+x = 2\n" in found["diff"]
    assert "deleted file mode" in found["diff"]
    assert found["untracked"] == ["new.py"]


@pytest.mark.parametrize("change", ["edit", "delete"])
def test_secrets_are_not_in_the_diff(repository, tmp_path, change):
    folder, _ = repository
    if change == "edit":
        (folder / ".env").write_text("TOKEN=new\n")
    else:
        (folder / ".env").unlink()

    data = checkpoint(folder, tmp_path / "o.zip", verbose=False)

    with zipfile.ZipFile(data) as archive:
        contents = b"".join(archive.read(name) for name in archive.namelist())
    assert b"TOKEN" not in contents
    assert b"ghp_secret" not in contents


def test_the_users_taste_in_diffs_makes_no_difference(repository, tmp_path, monkeypatch):
    folder, git = repository
    (folder / "a.py").write_text("".join(f"x = {i}\n\n" for i in range(30)))
    git("commit", "-qam", "more")
    (folder / "a.py").write_text("".join(f"x = {i % 19}\n\n" for i in range(30)))
    (folder / "sub/b.py").write_text("2\n")
    plain = checkpoint(folder, tmp_path / "a.zip", verbose=False)
    (tmp_path / "config").write_text(
        "[diff]\nnoprefix = true\ncontext = 1\ninterHunkContext = 9\nalgorithm = patience\n"
        f"suppressBlankEmpty = true\norderFile = {(tmp_path / 'order').as_posix()}\n"
        "[core]\nabbrev = 20\n"
    )
    (tmp_path / "order").write_text("sub/b.py\na.py\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))

    assert checkpoint(folder, tmp_path / "b.zip", verbose=False).digest == plain.digest


def test_a_subfolder_of_a_repository_names_its_own_changes(repository, tmp_path):
    folder, _ = repository
    (folder / "sub/b.py").write_text("2\n")
    (folder / "a.py").write_text("x = 2\n")

    found = manifest(checkpoint(folder / "sub", tmp_path / "o.zip", verbose=False))["git"]

    assert "-1\n+2\n" in found["diff"]
    assert "x = 2" not in found["diff"]


def test_a_repository_without_commits_is_no_problem(tree, tmp_path):
    folder = tree({"a.py": ""})
    try:
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    except OSError:
        pytest.skip("git is not installed")

    found = manifest(checkpoint(folder, tmp_path / "o.zip", verbose=False))["git"]

    assert (found["commit"], found["remote"], found["diff"]) == (None, None, "")
    assert found["untracked"] == ["a.py"]
