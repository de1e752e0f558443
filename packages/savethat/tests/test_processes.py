"""Many processes at once, and how quickly one starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import savethat

if TYPE_CHECKING:
    from .conftest import Project

HEAVY = ["b2sdk", "fsspec", "loguru", "numpy", "pandas", "pluggy", "rich", "tap", "torch", "wandb"]


def test_64_processes_starting_in_one_second_make_64_runs(tmp_path: Path) -> None:
    """Half of them force the same key, half make one of the same class, in the same second.

    The time in the key is taken when all of them are let go, by the same pipe.
    """
    code = """
import dataclasses, sys, savethat
@dataclasses.dataclass(frozen=True)
class A:
    word: str
class N(savethat.Node[A, str]):
    def _run(self):
        return self.args.word
storage, word = savethat.Storage(sys.argv[1]), sys.argv[2]
sys.stdin.read()  # until all are there
key = "same" if int(word) % 2 else None
savethat.create_node(N, {"word": word}, storage=storage, key=key).run()
"""
    gate, let_go = os.pipe()
    processes = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}",
             str(tmp_path / "runs"), str(i)],
            stdin=gate,
            stderr=subprocess.DEVNULL,
        )
        for i in range(64)
    ]  # fmt: skip
    os.close(gate)
    os.close(let_go)
    assert [process.wait() for process in processes] == [0] * 64

    storage = savethat.Storage(tmp_path / "runs")
    runs = storage.find_runs(only_completed=True)
    assert len(runs) == 64
    assert sorted(run["run_key"] for run in runs if run["run_date"] is None) == sorted(
        ["same", *(f"same-{number}" for number in range(2, 33))]
    )
    assert {run["word"] for run in runs} == set(map(str, range(64)))
    assert all(run["word"] == storage.load_results(run["run_key"]) for run in runs)


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
