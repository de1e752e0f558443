"""What this user may not read stays out of the zip, with a word."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from codesave import checkpoint

if sys.platform == "win32":
    pytest.skip("mode bits mean little there", allow_module_level=True)

_NOBODY = 65534


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a user whom mode bits stop; they do not stop root."""
    folder = Path(tempfile.mkdtemp())
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (folder / "code").mkdir()
    (folder / "code/a.py").write_text("")
    was = os.geteuid()
    if was == 0:
        # Once, so that all is imported: root's Python may lie where others cannot read.
        checkpoint(folder / "code", folder / "first.zip", verbose=False).path.unlink()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _NOBODY, -1)
        os.seteuid(_NOBODY)
    yield folder / "code"
    os.seteuid(was)
    for path in folder.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(folder)


def test_an_unreadable_file_is_reported(folder):
    (folder / "locked.py").write_text("")
    (folder / "locked.py").chmod(0)

    snapshot = checkpoint(folder, folder.parent / "o.zip", verbose=False)

    reported = [str(out) for out in snapshot.left_out]
    assert reported == ["locked.py cannot be read (Permission denied)"]


@pytest.mark.parametrize("mode", [0o000, 0o300])
@pytest.mark.parametrize("repository", [False, True])
def test_a_closed_folder_is_reported(repository, mode, folder):
    """As a container leaves the data of its database in the middle of a repository."""
    if repository:
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "pgdata").mkdir(mode=mode)

    snapshot = checkpoint(folder, folder.parent / "o.zip", verbose=False)

    reported = [str(out) for out in snapshot.left_out]
    assert reported == ["pgdata cannot be read (Permission denied)"]
    assert snapshot.files == 1


def test_a_closed_folder_that_git_ignores_is_left_out_silently(folder):
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".gitignore").write_text("pgdata\n")
    (folder / "pgdata").mkdir(mode=0)

    assert checkpoint(folder, folder.parent / "o.zip", verbose=False).left_out == ()
