"""The command line: what it refuses, and what it hands on."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import savethat
from savethat._options import parse_span

if TYPE_CHECKING:
    from .conftest import Project


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["fly"], "there is no action 'fly'"),
        (["run", "Nothing"], "no node is called 'Nothing'; there are: my_project.fit_ols.FitOLS"),
        (["download", "absent"], "nothing is kept under 'absent'"),
        (["--credentials", "absent.toml", "ls"], "no configuration at absent.toml"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(
    project: Project, words: list[str], reason: str
) -> None:
    refused = project(*words, status=1)

    assert refused.stdout == ""
    assert refused.stderr.startswith("python -m my_project: ")
    assert reason in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_wrong_arguments_are_refused_before_a_run_is_made(project: Project) -> None:
    refused = project("run", "FitOLS", "--wrong", "1", status=2)

    assert "unrecognized arguments: --wrong 1" in refused.stderr
    assert project.runs() == []


def test_a_wrong_configuration_is_refused(project: Project) -> None:
    project.write("savethat.toml", "local_pth = 'x'")

    assert "unknown key 'local_pth'" in project("ls", status=1).stderr


def test_a_failing_node_shows_its_traceback_and_status_1(project: Project) -> None:
    failed = project("run", "FitOLS", "--my-args", "fail", status=1)

    assert failed.stderr.count("ValueError: asked to fail") == 2  # one line of log, one traceback
    assert "Traceback" in failed.stderr


def test_who_reads_only_the_first_lines_is_let(project: Project) -> None:
    for number in range(3000):  # more than a pipe holds
        run = project.folder / "data_storage" / f"FitOLS_2026-11-21T08-00-17_{number:06d}"
        run.mkdir(parents=True)
    command = [sys.executable, "-m", "my_project", "ls"]
    with subprocess.Popen(
        command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""

    assert process.returncode == 0


def test_debug_shows_more(project: Project) -> None:
    project.write(
        "my_project/talks.py",
        """
        import dataclasses, savethat
        from savethat import logger

        @dataclasses.dataclass(frozen=True)
        class TalksArgs(savethat.Args):
            pass

        class Talks(savethat.Node[TalksArgs, None]):
            def _run(self):
                logger.debug("a whisper")
        """,
    )

    assert "a whisper" not in project("run", "Talks").stderr
    assert "a whisper" in project("--debug", "run", "Talks").stderr


def test_arguments_come_from_a_config_file_before_or_behind_the_node(project: Project) -> None:
    project.write("c.toml", 'my_args = "file"\n')

    project("run", "--config", "c.toml", "FitOLS")
    project("run", "FitOLS", "--config", "c.toml")
    project("run", "--config", "c.toml", "FitOLS", "--my-args", "line")

    storage = savethat.get_storage(project.folder / "savethat.toml")
    assert sorted(run["my_args"] for run in storage.find_runs()) == ["file", "file", "line"]


def test_pdb_stops_where_the_node_fails(project: Project) -> None:
    stopped = project("run", "--pdb", "FitOLS", "--my-args", "fail", stdin="args\nq\n", status=1)

    assert "(Pdb)" in stopped.stdout
    assert 'raise ValueError("asked to fail")' in stopped.stdout


def test_run_main_returns_the_node_and_its_results(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(project.folder))
    env_file = project.folder / "savethat.toml"

    done = savethat.run_main("my_project", env_file=env_file, argv=["run", "FitOLS"])

    assert done is not None
    assert done[1] == "nothing"
    assert done[0].output_dir.is_dir()
    assert savethat.run_main("my_project", env_file=env_file, argv=["ls"]) is None


def test_without_a_toml_runs_are_kept_beside_the_project(project: Project) -> None:
    (project.folder / "savethat.toml").unlink()

    project("run", "FitOLS")

    assert len(project.runs()) == 1


def test_rm_tells_what_it_would_remove_from_where(project: Project) -> None:
    project("run", "FitOLS")
    (run,) = project.runs()

    dry = project("rm", "--force", "--all-runs", "--dry").stdout

    assert run.name in dry
    assert "Would delete the following runs from LOCAL:" in dry
    assert "Would delete 1 runs with" in dry
    assert project("rm", "Other").stdout == "No matching runs found.\n"
    assert project("rm", stdin="").stdout.endswith("Aborting.\n")
    assert run.exists()


def test_rm_without_a_selection_needs_to_be_told_twice(project: Project) -> None:
    project("run", "FitOLS")

    assert "add --all-runs to mean it" in project("rm", "--force", status=1).stderr
    assert len(project.runs()) == 1
    project("rm", "--force", "--all-runs")
    assert project.runs() == []


def test_a_run_that_cannot_be_removed_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, after the others were removed."""
    for _ in range(2):
        project("run", "FitOLS")
    (stays, _) = project.runs()
    project.write(
        "sitecustomize.py",
        f"""
        import pathlib
        rename = pathlib.Path.rename
        def refuse(self, target):
            if self.name == {stays.name!r}:
                raise PermissionError(13, "Permission denied", str(self))
            return rename(self, target)
        pathlib.Path.rename = refuse
        """,
    )
    monkeypatch.setenv("PYTHONPATH", ".")

    told = project("rm", "--force", "--all-runs", status=1).stderr

    assert f"{stays.name} cannot be removed: [Errno 13] Permission denied" in told
    assert "Traceback" not in told
    assert project.runs() == [stays]


def test_a_running_run_is_not_removed(project: Project) -> None:
    project.write(
        "my_project/waits.py",
        """
        import dataclasses, subprocess, sys, savethat

        @dataclasses.dataclass(frozen=True)
        class WaitsArgs:
            pass

        class Waits(savethat.Node[WaitsArgs, str]):
            def _run(self):
                done = subprocess.run(
                    [sys.executable, "-m", "my_project", "rm", "Waits", "--force"],
                    capture_output=True, text=True,
                )
                return f"{done.returncode} {done.stderr}"
        """,
    )
    project("run", "Waits")

    (run,) = project.runs()
    result = savethat.get_storage(project.folder / "savethat.toml").load_results(run.name)
    assert result.startswith(f"1 python -m my_project: {run.name} is running on")


def test_setup_b2_without_syncing(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "credentials.toml"

    project("--credentials", str(file), "setup_b2", stdin=f"n\n{tmp_path / 'mine'}\n")

    assert tomllib.loads(file.read_text())["my_project"] == {
        "skip_syncing": True,
        "local_path": str(tmp_path / "mine"),
    }


def test_setup_b2_adds_a_table_and_rewrites_nothing(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "credentials.toml"
    old = '# mine\n[other]\nb2_key = "é"   # keep'
    file.write_text(old)
    answers = "y\nmy_key_id\nkey\nmy_bucket\n\n\n"

    project("--credentials", str(file), "setup_b2", stdin=answers)

    assert file.read_text().startswith(old + "\n")
    assert tomllib.loads(file.read_text())["my_project"] == {
        "b2_key_id": "my_key_id",
        "b2_key": "key",
        "b2_bucket": "my_bucket",
        "remote_path": "my_project",
        "local_path": str(project.folder / "data_storage"),
    }
    again = project("--credentials", str(file), "setup_b2", status=1)
    assert "has a table [my_project] already" in again.stderr


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30", timedelta(minutes=30)),
        ("30m", timedelta(minutes=30)),
        ("1.5H", timedelta(hours=1.5)),
        ("2d", timedelta(days=2)),
    ],
)
def test_spans(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "words",
    [
        ["--last", "soon"],
        ["--last", "999999d"],
        ["--last", "inf"],
        ["--after", "soon"],
        ["--last", "1h", "--after", "2026-01-01"],
    ],
)
def test_wrong_times_are_refused(project: Project, words: list[str]) -> None:
    project("ls", *words, status=2)


def test_before_the_first_run_nothing_is_listed(project: Project) -> None:
    for words in ([], ["--completed"], ["--failed"], ["FitOLS", "--all"]):
        assert project("ls", *words).stdout == ""


@pytest.mark.parametrize("words", [["--help"], ["rm", "--force", "--all-runs"]])
def test_a_command_goes_on_to_its_end_though_nobody_reads_what_it_says(
    project: Project, words: list[str]
) -> None:
    for _ in range(3):
        project("run", "FitOLS")
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as nobody:
        command = [sys.executable, "-m", "my_project", *words]
        done = subprocess.run(
            command, cwd=project.folder, stdout=nobody, stderr=subprocess.PIPE, check=False
        )

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(project("ls").stdout.splitlines()) == (0 if words[0] == "rm" else 3)
