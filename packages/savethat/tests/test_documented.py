"""The commands of the documentation, typed as they stand there."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import savethat

if TYPE_CHECKING:
    from .conftest import Project


def test_nodes_lists_the_nodes_as_the_documentation_shows(project: Project) -> None:
    assert project("nodes").stdout == (
        "Found the following executable nodes:\n"
        "    my_project.fit_ols.FitOLS  - [no docstring]\n"
        "\n"
        "For more information on each analysis execute:\n"
        "     python -m my_project run my_project.fit_ols.FitOLS --help\n"
    )


def test_a_run_keeps_the_five_files(project: Project) -> None:
    project("run", "my_project.fit_ols.FitOLS", "--my-args", "hello")

    (run,) = project.runs()
    names = {file.name for file in run.iterdir()}
    assert {
        "args.json",
        "output.jsonl",
        "output.log",
        "reproducible.json",
        "results.pickle",
    } <= names
    assert json.loads((run / "args.json").read_text()) == {
        "my_args": "hello",
        "__module__": "my_project.fit_ols",
        "__qualname__": "FitOLSArgs",
    }
    assert pickle.loads((run / "results.pickle").read_bytes()) == "hello"


def test_ls_selects_by_node_completion_and_time(project: Project) -> None:
    project("run", "FitOLS")
    project("run", "FitOLS", "--my-args", "fail", status=1)
    completed, failed = sorted(
        project.runs(), key=lambda run: not (run / "results.pickle").exists()
    )

    assert set(project("ls").stdout.split()) == {completed.name, failed.name}
    ls = ["ls", "FitOLS", "--completed", "--last", "3h"]
    assert project(*ls).stdout.split() == [completed.name]
    assert project("ls", "--failed").stdout.split() == [failed.name]
    assert project("ls", "--last", "3h", "--before", "2020-01-01").stdout == ""
    assert str(completed / "args.json") in project("ls", "--all", "-a").stdout.split()


def test_find_runs_gives_arguments(project: Project) -> None:
    project("run", "FitOLS", "--my_args", "hello")

    (run,) = savethat.get_storage(project.folder / "savethat.toml").find_runs(
        "FitOLS",
        only_completed=True,
        after=datetime.now(UTC) - timedelta(hours=3),
    )

    assert run["my_args"] == "hello"
    assert run["run_completed"] is True
    assert run["run_key"] == project.runs()[0].name


def test_rm_asks_and_removes_the_failed_runs_only(project: Project) -> None:
    project("run", "FitOLS")
    project("run", "FitOLS", "--my-args", "fail", status=1)
    rm = ["rm", "FitOLS", "--failed", "--last", "3h"]

    assert "Would delete 1 runs" in project(*rm, "--dry").stdout
    assert "Aborting" in project(*rm, stdin="n\n").stdout
    assert len(project.runs()) == 2

    assert "Are you sure" in project(*rm, stdin="y\n").stdout
    (left,) = project.runs()
    assert (left / "results.pickle").exists()
    project("rm", "FitOLS", "--force")
    assert project.runs() == []


def test_help_names_every_option_in_both_spellings(project: Project) -> None:
    shown = project("run", "my_project.fit_ols.FitOLS", "--help").stdout

    assert "--my-args" in shown
    assert "--my_args" in shown
    assert "what to say" in shown


def test_the_actions_are_listed(project: Project) -> None:
    assert "Here is a list with all available actions:" in project("--help").stdout
    assert "Here is a list with all available actions:" in project().stderr
