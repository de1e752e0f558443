"""``savethat new`` writes a project that works as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from savethat._cli import main


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "wine_tasting"
    assert main(["new", "wine_tasting", "--folder", str(folder)]) == 0
    assert f"{folder / 'savethat.toml'}\n" in capsys.readouterr().out
    return folder


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_nodes_run(made: Path) -> None:
    assert "wine_tasting.fit_ols.FitOLS  - Fit a line to two columns of a table." in run(
        made, "wine_tasting", "nodes"
    )
    run(made, "wine_tasting", "run", "FitOLS", "--feature", "speed")
    (key,) = run(made, "wine_tasting", "ls", "FitOLS", "--completed").split()
    assert (made / "data_storage" / key / "fitted.csv").exists()


def test_its_own_tests_pass(made: Path) -> None:
    shutil.rmtree(made / "data_storage", ignore_errors=True)
    assert "2 passed" in run(made, "pytest", "-q", "-p", "no:cacheprovider")


def test_no_placeholder_is_left(made: Path) -> None:
    for file in (path for path in made.rglob("*") if path.is_file()):
        assert "my_project" not in str(file.relative_to(made)) + file.read_text("utf-8")
    assert (made / ".gitignore").exists()
    assert not list(made.rglob("*.txt"))


@pytest.mark.parametrize("name", ["my-project", "class", "json", "savethat", "1st"])
def test_a_name_that_cannot_be_a_package_is_refused(
    tmp_path: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["new", name]) == 1
    assert name in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_what_is_there_is_not_written_over(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "savethat.toml").write_text("mine")

    assert main(["new", "wine_tasting", "--folder", str(made)]) == 1
    assert "holds something already" in capsys.readouterr().err
    assert (made / "savethat.toml").read_text() == "mine"
