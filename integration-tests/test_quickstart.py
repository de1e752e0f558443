"""The main job: keep everything, get everything back, and notice when a bit differs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environments import ROOT

README = (ROOT / "README.md").read_text("utf-8")
FIVE_FILES = ["args.json", "output.jsonl", "output.log", "reproducible.json", "results.pickle"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of examples/ without the runs of whoever works in this checkout."""
    folder = tmp_path_factory.mktemp("copy") / "examples"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("data_storage", "_*"))
    return folder


def python(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python as a user would, in UTF-8 and at any exit status."""
    return subprocess.run(
        [sys.executable, *(str(word) for word in words)],
        cwd=cwd,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def twice(examples: Path) -> list[str]:
    """What the quickstart prints when it is run for the first and for the second time."""
    done = [python(examples / "quickstart.py", cwd=examples.parent) for _ in range(2)]
    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    return [one.stdout for one in done]


@pytest.fixture(scope="module")
def run_folder(twice: list[str], examples: Path) -> Path:
    """The folder of the first run."""
    (name,) = re.findall(r"^run +(\S+)", twice[0], re.MULTILINE)
    return examples / "data_storage" / name


def test_everything_comes_back_identical(twice: list[str]) -> None:
    for printed in twice:
        assert "DIFFER" not in printed
        assert len(re.findall(r"predictions identical$", printed, re.MULTILINE)) == 3
        assert re.search(r"^recovered: +identical$", printed, re.MULTILINE)


def test_the_second_run_hits_the_cache(twice: list[str]) -> None:
    assert "misses 2" in twice[0]
    assert "hits 2, misses 0" in twice[1]


def test_the_readme_shows_what_is_printed(twice: list[str]) -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)

    def lines(text: str) -> list[str]:
        """Without what differs between machines and moments."""
        return re.sub(r"FitDigits_\S+|[\d.]+(%| s\b| kB)", "…", text).splitlines()

    assert lines(shown) == lines(twice[0])


def test_the_network_beats_the_baseline(twice: list[str]) -> None:
    baseline, best = (
        float(number)
        for number in re.search(
            r"regression, accuracy ([\d.]+)%.*best accuracy ([\d.]+)%", twice[0], re.DOTALL
        ).groups()
    )

    assert best > baseline > 90


def test_the_run_holds_its_five_files_and_three_checkpoints(run_folder: Path) -> None:
    assert not [name for name in FIVE_FILES if not (run_folder / name).is_file()]
    assert [path.name for path in sorted((run_folder / "ckpt").iterdir())] == [
        "0000000028.npz",
        "0000000029.npz",
        "0000000030.npz",
    ]


@pytest.mark.parametrize("file", ["best_predictions.npy", "last_predictions.npy"])
def test_recovery_notices_one_flipped_bit(file: str, run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / run_folder.name
    shutil.copytree(run_folder, copy)
    content = bytearray((copy / file).read_bytes())
    content[-1] ^= 1
    (copy / file).write_bytes(content)

    done = python(ROOT / "examples" / "recover.py", copy, cwd=tmp_path)

    assert done.returncode != 0
    assert "DIFFER" in done.stdout


def test_the_same_node_runs_from_the_command_line(examples: Path, twice: list[str]) -> None:
    nodes = python("-m", "quickstart", "nodes", cwd=examples)
    run = python(
        "-m", "quickstart", "run", "FitDigits", "--epochs", "2", "--lr", "0.01", cwd=examples
    )
    listed = python("-m", "quickstart", "ls", "FitDigits", "--completed", cwd=examples)

    assert "quickstart.FitDigits" in nodes.stdout, nodes.stderr
    assert run.returncode == 0, run.stderr
    assert len(re.findall("FitDigits_", listed.stdout)) == 3, listed.stdout + listed.stderr


def test_the_run_is_reproduced_from_its_name(examples: Path, run_folder: Path) -> None:
    done = python("-m", "quickstart", "reproduce", run_folder.name, cwd=examples)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "code         saved with the run" in done.stdout
    assert "results      identical" in done.stdout
