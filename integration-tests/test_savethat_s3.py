"""Runs and their copies on a real S3 protocol, and runs in a data frame."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import savethat

SCRIPT = """
import dataclasses, sys, savethat

@dataclasses.dataclass(frozen=True)
class FitArgs:
    word: str = "w"

class Fit(savethat.Node[FitArgs, str]):
    def _run(self):
        (self.output_dir / "deep").mkdir()
        (self.output_dir / "deep" / "file").write_text(self.args.word)
        return self.args.word

env_file, word, *key = sys.argv[1:]
savethat.create_node(Fit, {"word": word}, env_file=env_file, key=key[0] if key else None).run()
"""
LIST = """
import json, sys, savethat
storage = savethat.get_storage(sys.argv[1])
runs = storage.find_runs(only_completed=True)
print(json.dumps([[r["run_key"], r["word"], storage.load_results(r["run_key"])] for r in runs]))
"""
REMOVE = """
import sys, savethat
storage = savethat.get_storage(sys.argv[1])
for run in storage.find_runs():
    storage.remove(run["run_key"], remote=True)
"""


@pytest.fixture
def bucket(s3_elsewhere: tuple[str, dict[str, str]]) -> str:
    return s3_elsewhere[0]


@pytest.fixture
def environment(s3_elsewhere: tuple[str, dict[str, str]]) -> dict[str, str]:
    """How to reach an S3 service on the loopback interface."""
    return s3_elsewhere[1] | {"SAVETHAT_DISABLE_PLUGINS": "1"}


def run(environment: dict[str, str], script: str, *words: object) -> str:
    command = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not uploaded" not in done.stderr
    return done.stdout


def test_runs_on_s3_are_found_had_back_and_removed_from_another_machine(
    bucket: str, environment: dict[str, str], tmp_path: Path
) -> None:
    here, there = tmp_path / "here" / "savethat.toml", tmp_path / "there" / "savethat.toml"
    for toml in (here, there):
        toml.parent.mkdir()
        toml.write_text(f'remote = "{bucket}/my_project"\n')

    run(environment, SCRIPT, here, "one", "final")
    run(environment, SCRIPT, there, "two", "final")
    run(environment, SCRIPT, here, "three")

    found = run(environment, LIST, there)
    assert found == run(environment, LIST, here)
    assert '["final", "one", "one"]' in found
    assert '["final-2", "two", "two"]' in found
    assert '"three", "three"]' in found
    run(environment, REMOVE, there)
    assert run(environment, LIST, there) == "[]\n"


def test_found_runs_make_a_data_frame(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    toml = tmp_path / "savethat.toml"
    toml.write_text("")
    for word in ("a", "b"):
        run(dict(os.environ), SCRIPT, toml, word)

    frame = pandas.DataFrame(savethat.get_storage(toml).find_runs("Fit"))

    assert sorted(frame["word"]) == ["a", "b"]
    assert frame["run_completed"].all()
    assert str(frame["run_date"].dtype.tz) == "UTC"
