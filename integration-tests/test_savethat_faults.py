"""Killed processes and full disks: no result is lost, and no run is falsely called completed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import savethat

RUN = """
import dataclasses, os, sys
import savethat

@dataclasses.dataclass(frozen=True)
class FillArgs:
    megabytes: float = 0

class Fill(savethat.Node[FillArgs, bytes]):
    def _run(self):
        with open(self.output_dir / "data.bin", "wb", buffering=0) as file:
            for _ in range(int(self.args.megabytes * 1024)):
                file.write(os.urandom(1024))
        return os.urandom(int(float(sys.argv[3]) * 1_000_000))

storage = savethat.Storage(sys.argv[1])
savethat.create_node(Fill, {"megabytes": float(sys.argv[2])}, storage=storage).run()
"""


def start(folder: Path, megabytes: float = 0, result: float = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), str(megabytes), str(result)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SAVETHAT_DISABLE_PLUGINS": "1"},
    )


@pytest.mark.parametrize(
    "sight",
    ["state.json", "args.json", "output.log", "reproducible.json", "data.bin", "results.pickle"],
)
def test_killed_at_the_sight_of_a_file_a_run_is_lost_or_whole(tmp_path: Path, sight: str) -> None:
    with start(tmp_path, result=3) as process:
        while not list(tmp_path.glob(f"*/{sight}")) and process.poll() is None:
            time.sleep(0.0005)
        process.kill()
        process.communicate()

    storage = savethat.Storage(tmp_path)
    (run,) = storage.find_runs()
    assert run["run_state"] in ("lost", "completed")
    if run["run_completed"]:
        assert len(storage.load_results(run["run_key"])) == 3_000_000
    storage.remove(run["run_key"])
    assert storage.find_runs() == []


def test_killed_while_results_are_written_a_run_is_not_completed(tmp_path: Path) -> None:
    with start(tmp_path, result=60) as process:
        while not list(tmp_path.glob("*/.results.pickle*")) and process.poll() is None:
            time.sleep(0.0005)
        process.kill()
        process.communicate()

    storage = savethat.Storage(tmp_path)
    (run,) = storage.find_runs()
    if run["run_completed"]:  # the kill came too late
        assert len(storage.load_results(run["run_key"])) == 60_000_000
    else:
        assert run["run_state"] == "lost"
        assert not (tmp_path / run["run_key"] / "results.pickle").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.decode()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(("megabytes", "result"), [(5, 0), (1, 5)])
def test_a_full_disk_fails_the_run_and_keeps_the_others(
    small_disk: Path, megabytes: float, result: float
) -> None:
    with start(small_disk) as process:
        process.communicate()
    assert process.returncode == 0
    storage = savethat.Storage(small_disk)
    (first,) = storage.find_runs(only_completed=True)

    with start(small_disk, megabytes, result) as process:
        _, shown = process.communicate()

    assert process.returncode == 1
    assert "No space left on device" in shown
    assert storage.find_runs(only_completed=True) == [first]
    assert storage.load_results(first["run_key"]) == b""
    (second,) = storage.find_runs(only_failed=True)
    assert second["run_state"] in ("failed", "lost")
    storage.remove(second["run_key"])
    with start(small_disk) as process:
        process.communicate()
    assert process.returncode == 0
