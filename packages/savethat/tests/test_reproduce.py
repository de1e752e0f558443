"""A run is run again from its key alone, and compared."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from savethat._compare import differences

if TYPE_CHECKING:
    from .conftest import Project

SAMPLE = """
import dataclasses
from pathlib import Path

import savethat


@dataclasses.dataclass(frozen=True)
class SampleArgs:
    number: int = 1
    token: savethat.Secret[str] = savethat.Secret("")
    dataset: str = ""


class Sample(savethat.Node[SampleArgs, dict]):
    def _run(self):
        if self.args.dataset:
            with self.storage.open(self.args.dataset) as file:
                file.read()
        print("length", len(self.args.token.value) if self.args.number == 3 else 0)
        return {"number": self.args.number, "offset": 10, "code": Path(__file__).name}
"""
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def sample(project: Project, git: Callable[..., None]) -> Iterator[Project]:
    """A project in a git repository, with a file changed since the commit."""
    project.write("my_project/sample.py", SAMPLE.replace("10", "5"))
    project.write(".gitignore", "data_storage/\n__pycache__/\n")
    if shutil.which("git"):
        git(project.folder, "init", "-q")
        git(project.folder, "add", ".")
        git(project.folder, "commit", "-q", "-m", "first")
    project.write("my_project/sample.py", SAMPLE)
    return project


def run(project: Project, *words: str) -> str:
    before = {folder.name for folder in project.runs()}
    project("run", "Sample", *words)
    (key,) = {folder.name for folder in project.runs()} - before - {".savethat"}
    return key


def lines(shown: str) -> dict[str, str]:
    """The lines of the command by their first word."""
    return {line.split()[0]: line.partition(" ")[2].strip() for line in shown.splitlines()}


@needs_git
def test_a_run_is_run_again_with_the_code_that_git_has(sample: Project) -> None:
    key = run(sample, "--number", "7")
    sample.write("my_project/sample.py", SAMPLE.replace("10", "99"))  # the code of today

    shown = lines(sample("reproduce", key).stdout)

    assert "git, commit" in shown["code"]
    assert shown["results"].startswith("identical, xxh3_128:")
    new = shown["run"]
    facts = json.loads((sample.folder / "data_storage" / new / "reproducible.json").read_text())
    assert facts["reproduces"] == key
    args = json.loads((sample.folder / "data_storage" / new / "args.json").read_text())
    assert args["number"] == 7
    assert 'offset": 99' in (sample.folder / "my_project" / "sample.py").read_text()
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=sample.folder, capture_output=True, check=True
    )
    assert done.stdout == b" M my_project/sample.py\n"


def test_what_differs_is_said_and_the_status_tells(sample: Project) -> None:
    key = run(sample)
    sample.write("my_project/sample.py", SAMPLE.replace("10", "99.5"))

    done = sample("reproduce", "--code", ".", key, status=1)

    assert "['offset']: 10 → 99.5" in done.stdout
    assert f"does not have the results of {key}" in done.stderr


def test_without_its_code_a_run_is_refused_with_a_way_out(project: Project) -> None:
    project.write("my_project/sample.py", SAMPLE)
    key = run(project)

    done = project("reproduce", key, status=1)

    assert "--code FOLDER" in done.stderr
    assert len(project.runs()) == 1
    assert "identical" in project("reproduce", "--code", ".", key).stdout


@needs_git
def test_a_commit_that_is_not_here_is_named(sample: Project) -> None:
    key = run(sample)
    file = sample.folder / "data_storage" / key / "reproducible.json"
    facts = json.loads(file.read_text())
    facts["git"]["commit"] = "0" * 40
    file.write_text(json.dumps(facts))

    assert "does not have it; `git fetch` it" in sample("reproduce", key, status=1).stderr


def test_a_file_that_has_changed_since_is_refused(sample: Project) -> None:
    key = run(sample)
    folder = sample.folder / "data_storage" / key
    (folder / "model.bin").write_bytes(b"changed")
    line = {"path": "model.bin", "kind": "model", "use": "written", "digest": "sha256:" + "0" * 64}
    (folder / "artifacts.jsonl").write_text(json.dumps(line) + "\n")

    done = sample("reproduce", key, status=1)

    assert "model.bin is sha256:" in done.stderr
    assert "was sha256:000" in done.stderr
    (folder / "model.bin").unlink()  # as a checkpoint is that was replaced by later ones
    assert "0 as they were written, 1 removed since" in sample("reproduce", key).stdout


def test_a_secret_is_given_again(sample: Project) -> None:
    key = run(sample, "--number", "3", "--token", "sesame")

    assert 'give it again, as in --token "$SECRET"' in sample("reproduce", key, status=1).stderr
    done = sample("reproduce", key, "--token", "sesame")

    assert "results      identical" in done.stdout
    assert "sesame" not in done.stdout + done.stderr


def test_an_input_that_has_changed_is_named(sample: Project) -> None:
    sample.write("data_storage/data.csv", "1")
    sample("run", "Sample", "--dataset", "data.csv")
    (key,) = [run.name for run in sample.runs() if run.is_dir()]
    assert "not the same as then" not in sample("reproduce", key).stdout
    sample.write("data_storage/data.csv", "2")

    assert "read         not the same as then: data.csv" in sample("reproduce", key).stdout


def test_a_run_that_fails_again_says_where_to_look(sample: Project) -> None:
    key = run(sample)

    done = sample("reproduce", key, "--dataset", "absent.csv", status=1)

    assert "failed; see " in done.stderr
    assert f"{key} is not reproduced" in done.stderr


def test_a_run_without_results_has_nothing_to_compare_with(sample: Project) -> None:
    key = run(sample)
    (sample.folder / "data_storage" / key / "results.pickle").unlink()

    assert f"none of {key} to compare with" in sample("reproduce", key).stdout


def test_what_is_no_run_is_refused(sample: Project) -> None:
    assert "nothing is kept under 'absent'" in sample("reproduce", "absent", status=1).stderr


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"a": [1, 2]}, {"a": [1, 3]}, ["['a'][1]: 2 → 3"]),
        ({"a": 1}, {"b": 1}, ["['a']: 1 → missing", "['b']: missing → 1"]),
        ([1], [1, 2], ["results: [1] → [1, 2]"]),
        (1, 1.0, ["results: 1 → 1.0"]),
        (float("nan"), float("nan"), []),
        (list(range(50)), list(range(1, 51)), None),
    ],
)
def test_differences_are_found_where_they_are(
    then: object, now: object, expected: list[str] | None
) -> None:
    found = differences(then, now)

    assert found == expected if expected is not None else (len(found), found[-1]) == (21, "…")
