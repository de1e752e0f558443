"""The savethat plugin: each run's folder holds the code that ran."""

from __future__ import annotations

import logging
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("pluggy")

from codesave import _savethat


@dataclass
class Run:
    key: str
    folder: Path
    project_dir: Path
    artifacts: list[tuple[Path, dict[str, str]]] = field(default_factory=list)

    def add_artifact(self, path: Path, **facts: str) -> None:
        self.artifacts.append((path, facts))


@pytest.mark.parametrize("storage", ["project/data_storage", "project", "elsewhere"])
def test_a_run_holds_the_projects_code_without_earlier_results(storage, tree, tmp_path):
    project = tree({"train.py": "x = 1\n", ".env": ""}, name="project")
    key = "train.Fit/2026"
    old = tree({"output.py": "", "results.pickle": ""}, name=f"{storage}/train.Fit/2025")
    folder = tmp_path / storage / key
    folder.mkdir(parents=True)
    run = Run(key, folder, project)

    _savethat.run_start(run)

    assert old.is_dir()
    assert run.artifacts == [(folder / "code.zip", {"kind": "code", "by": "codesave"})]
    with zipfile.ZipFile(folder / "code.zip") as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
    assert files == {"train.py", "__main__.py", ".codesave.json"}


def test_the_code_of_a_run_is_given_back_into_a_folder_of_its_own(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("CODESAVE_CACHE", str(tmp_path / "cache"))
    project = tree({"train.py": "x = 1\n", "inner/data.py": ""}, name="project")
    (tmp_path / "run").mkdir()
    run = Run("run", tmp_path / "run", project)
    (tmp_path / "code").mkdir()

    assert _savethat.load_code(run, tmp_path / "code") is None
    _savethat.run_start(run)
    (project / "train.py").write_text("x = 2\n")

    assert _savethat.load_code(run, tmp_path / "code")
    assert (tmp_path / "code" / "train.py").read_text() == "x = 1\n"
    assert (tmp_path / "code" / "train.py").stat().st_mode & stat.S_IWUSR
    (tmp_path / "code" / "train.py").write_text("a node writes beside its code")
    (tmp_path / "again").mkdir()
    assert _savethat.load_code(run, tmp_path / "again")
    assert (tmp_path / "again" / "train.py").read_text() == "x = 1\n"


def test_settings_with_a_key_in_them_that_a_run_lacks_are_warned_of(tree, tmp_path, caplog):
    files = {"train.py": "", ".env": "", "conf.yaml": "api_key: 0014fe3d9c1b7a2058e6f4\n"}
    project = tree(files, name="project")
    (tmp_path / "run").mkdir()

    _savethat.run_start(Run("run", tmp_path / "run", project))
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("code.zip leaves out: conf.yaml holds api_key (")
    caplog.clear()
    (project / ".codesaveignore").write_text("conf.yaml\n")
    _savethat.run_start(Run("run", tmp_path / "run", project))
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]


def test_the_entry_point_names_the_plugin():
    from importlib.metadata import entry_points

    (found,) = [ep for ep in entry_points(group="savethat") if ep.name == "codesave"]

    assert found.load() is _savethat
