"""Checkpoints kept on B2 and on a real S3 protocol, restored on another machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("numpy")
HEAD = """
import sys
import numpy as np
import ckpt, expcore

url = sys.argv[1]
value = ckpt.Var(np.zeros(300_000))  # some megabytes
vc = ckpt.VarCollection({"w": value, "step": 0})

def save(checkpoint, step, **options):
    value.assign(np.full(300_000, float(step)))
    checkpoint.save(vc, step, **options)

def stored():
    return [stat.key for stat in expcore.open_storage(url).list("ckpt/")]
"""
TRAIN = """
keep = ckpt.Retention(last=2, best=1, metric="loss")
with ckpt.Checkpoint(url, keep, verbose=False) as checkpoint:
    for step, loss in ((1, 0.1), (2, 0.5), (3, 0.4), (4, 0.3)):
        save(checkpoint, step, metrics={"loss": loss}, extra={"step": step})
print(stored())
"""
RESTORE = """
restored = ckpt.Checkpoint(url, 2, verbose=False).restore(vc)
print(restored[0], set(value.value.tolist()), restored.extra)
print(ckpt.Checkpoint(url, 2, verbose=False).restore(vc, idx=1)[0], set(value.value.tolist()))
try:
    ckpt.Checkpoint(url, 2, verbose=False).restore(vc, idx=2)
except ckpt.CheckpointNotFoundError as error:
    print(sorted(error.found))
"""
GO_ON = """
with ckpt.AsyncCheckpoint(url, 2, verbose=False) as checkpoint:
    print(checkpoint.restore(vc)[0])
    save(checkpoint, 5)
    save(checkpoint, 6)
print(stored())
"""
DAMAGE = """
storage = expcore.open_storage(url)
whole = storage.read("ckpt/0000000004.npz")
storage.write("ckpt/0000000004.npz", whole[: len(whole) // 2])
storage.write("ckpt/best.npz", b"mine")
"""
WALK_BACK = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with ckpt.Checkpoint(url, 1, verbose=False) as checkpoint:
        print(checkpoint.restore(vc)[0], set(value.value.tolist()))
        save(checkpoint, 5)
print([("0000000004.npz" in str(w.message), w.category.__name__) for w in caught])
print(stored())
"""
Run = Callable[[str, str], list[str]]


@pytest.fixture
def s3(s3_elsewhere: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    """A URL on an S3 service on the loopback interface, and how to reach it."""
    bucket, reach = s3_elsewhere
    return f"{bucket}/run-7", reach


@pytest.fixture
def b2(b2_elsewhere: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    """A URL on a B2 service on the loopback interface, and how to reach it."""
    bucket, reach = b2_elsewhere
    return f"{bucket}/run-7", reach


@pytest.fixture(params=["s3", "b2"])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a script on a machine, which is a home folder of its own; the lines that it prints."""
    url, environment = request.getfixturevalue(request.param)

    def run(machine: str, script: str) -> list[str]:
        home = tmp_path / machine
        home.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", HEAD + script, url],
            env={**environment, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_a_training_goes_on_on_another_machine_and_retention_with_it(on: Run) -> None:
    kept = ["ckpt/0000000001.npz", "ckpt/0000000003.npz", "ckpt/0000000004.npz"]
    assert on("first", TRAIN) == [str(kept)]

    assert on("second", RESTORE) == ["4 {4.0} {'step': 4}", "1 {1.0}", "[1, 3, 4]"]
    assert on("third", GO_ON) == ["4", str(["ckpt/0000000005.npz", "ckpt/0000000006.npz"])]


def test_a_broken_one_there_is_walked_past_named_and_kept(on: Run) -> None:
    on("first", TRAIN)
    on("somebody's", DAMAGE)

    lines = on("second", WALK_BACK)

    assert lines[:2] == ["3 {3.0}", str([(True, "BrokenCheckpointWarning")])]
    kept = ["ckpt/0000000004.npz", "ckpt/0000000005.npz", "ckpt/best.npz"]
    assert lines[2:] == [str(kept)]
