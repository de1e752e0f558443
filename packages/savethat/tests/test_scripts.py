"""Runs of nodes that are part of a script are had back as well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import savethat

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Project

SCRIPT = """
import dataclasses
from pathlib import Path

import savethat
{imports}

@dataclasses.dataclass(frozen=True)
class FitArgs:
    lr: float = 0.1


@dataclasses.dataclass
class Line:
    slope: float


class Fit(savethat.Node[FitArgs, Line]):
    def _run(self):
        return Line(self.args.lr * SCALE)


{guard}
    env_file = Path("savethat.toml").absolute()
    savethat.create_node(Fit, FitArgs(lr=0.2), env_file=env_file).run()
"""
GUARD = 'if __name__ == "__main__":'


def lines(shown: str) -> dict[str, str]:
    """The lines of the command by their first word."""
    return {line.split()[0]: line.partition(" ")[2].strip() for line in shown.splitlines()}


@pytest.mark.parametrize(
    ("file", "imports", "guard", "words"),
    [
        ("train.py", "from helper import SCALE", GUARD, ["train.py"]),
        ("my-train.py", "from helper import SCALE", "for _ in range(2):", ["my-train.py"]),
        ("scripts/train.py", "from near import SCALE", GUARD, ["scripts/train.py"]),
        ("my_project/train.py", "from .near import SCALE", GUARD, ["-m", "my_project.train"]),
    ],
)
def test_a_script_is_had_back(
    project: Project, file: str, imports: str, guard: str, words: list[str]
) -> None:
    """Guarded or not; one that is not is executed up to its first run."""
    project.write("helper.py", "SCALE = 10\n")
    for folder in ("scripts", "my_project"):
        project.write(f"{folder}/near.py", "SCALE = 10\n")
    project.write(file, SCRIPT.format(imports=imports, guard=guard))
    subprocess.run([sys.executable, *words], cwd=project.folder, check=True, capture_output=True)
    first = project.runs()[0].name

    shown = lines(project("reproduce", "--code", ".", first).stdout)
    again = lines(project("reproduce", "--code", ".", shown["run"]).stdout)

    assert shown["results"].startswith("identical, xxh3_128:")
    assert again["results"] == shown["results"]
    assert len(project.runs()) == (3 if guard == GUARD else 4)


def test_what_a_script_raises_before_its_run_is_shown(project: Project) -> None:
    project.write("train.py", SCRIPT.format(imports="SCALE = 1", guard=GUARD))
    subprocess.run([sys.executable, "train.py"], cwd=project.folder, check=True)
    (run,) = project.runs()
    project.write("train.py", SCRIPT.format(imports="raise OSError('no data here')", guard=GUARD))

    done = project("reproduce", "--code", ".", run.name, status=1)
    (project.folder / "train.py").unlink()
    gone = project("reproduce", "--code", ".", run.name, status=1)

    assert "OSError: no data here" in done.stderr
    assert f"{run.name} is not reproduced: it could not be run again" in done.stderr
    assert "train.py is not there" in gone.stderr


def test_what_was_typed_in_is_refused_with_a_way_out(project: Project) -> None:
    code = SCRIPT.format(imports="SCALE = 1", guard="if 1:")
    subprocess.run([sys.executable, "-"], cwd=project.folder, check=True, input=code.encode())
    (run,) = project.runs()

    assert "put it into a module" in project("reproduce", run.name, status=1).stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_git_gives_back_a_project_behind_a_link_with_its_submodules(
    project: Project, git: Callable[..., None], tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "helper.py").write_text("SCALE = 10\n")
    for folder in (library, project.folder):
        git(folder, "init", "-q")
    git(library, "add", ".")
    git(library, "commit", "-q", "-m", "first")
    project.write(
        "inner/train.py", SCRIPT.format(imports="from vendor.helper import SCALE", guard=GUARD)
    )
    project.write("inner/savethat.toml", 'local_path = "${PROJECT_ROOT}/../data_storage"')
    allowed = ("-c", "protocol.file.allow=always")
    git(project.folder, *allowed, "submodule", "add", "-q", str(library), "inner/vendor")
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-q", "-m", "first")
    # The submodule is at another commit than the project's commit says, and changed since.
    (project.folder / "inner/vendor/helper.py").write_text("SCALE = 20\n")
    git(project.folder / "inner/vendor", "commit", "-q", "-a", "-m", "second")
    (project.folder / "inner/vendor/notes.txt").write_text("not in git")
    link = tmp_path / "link"
    link.symlink_to(project.folder)
    subprocess.run([sys.executable, "train.py"], cwd=link / "inner", check=True)
    run = next(run for run in project.runs() if run.name != ".savethat")

    shown = lines(project("reproduce", run.name).stdout)

    assert shown["results"].startswith("identical")
    assert "without the changes in submodules: inner/vendor" in shown["code"]
    shutil.rmtree(project.folder / "inner/vendor")
    assert "of its submodule inner/vendor" in project("reproduce", run.name, status=1).stderr


def test_results_whose_classes_are_not_at_hand_say_what_to_do(
    project: Project, storage: savethat.Storage
) -> None:
    project.write("train.py", SCRIPT.format(imports="SCALE = 1", guard=GUARD))
    subprocess.run([sys.executable, "train.py"], cwd=project.folder, check=True)
    (run,) = project.runs()

    with pytest.raises(savethat.ResultsNeedCode, match="Line") as caught:
        savethat.Storage(run.parent).load_results(run.name)

    assert caught.value.key == run.name
