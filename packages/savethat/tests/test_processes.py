"""Many processes at once, and how quickly one starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import savethat

if TYPE_CHECKING:
    from .conftest import Project

HEAVY = ["b2sdk", "fsspec", "loguru", "numpy", "pandas", "pluggy", "rich", "tap", "torch", "wandb"]


def test_many_processes_starting_at_once_make_as_many_runs(tmp_path: Path) -> None:
    """Keys are forced to be the same, so that only the claim tells the runs apart."""
    code = """
import dataclasses, sys, savethat
@dataclasses.dataclass(frozen=True)
class A:
    word: str
class N(savethat.Node[A, str]):
    def _run(self):
        return self.args.word
sys.stdin.read()  # until all are there
storage = savethat.Storage(sys.argv[1])
savethat.create_node(N, {"word": sys.argv[2]}, storage=storage, key="same").run()
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "runs"), str(i)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for i in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 8

    storage = savethat.Storage(tmp_path / "runs")
    runs = storage.find_runs(only_completed=True)
    assert len(runs) == 8
    assert {run["word"] for run in runs} == {storage.load_results(r["run_key"]) for r in runs}


def imported(*command: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("words", [["nodes"], ["ls"], ["ls", "--failed"], ["--help"]])
def test_looking_around_imports_nothing_heavy(project: Project, words: list[str]) -> None:
    project("run", "FitOLS", "--my-args", "fail", status=1)

    assert imported("-m", "my_project", *words, cwd=project.folder) & set(HEAVY) == set()


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    assert imported("-c", "import savethat", cwd=tmp_path) & set(HEAVY) == set()


def test_the_logger_is_loguru_s() -> None:
    from loguru import logger

    from savethat import logger as ours

    assert ours is logger
    with pytest.raises(AttributeError, match="no attribute 'loger'"):
        _ = savethat.loger  # type: ignore[attr-defined]
