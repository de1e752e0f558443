"""Runs on a real Slurm: queued, preempted and had back, cancelled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm

pytest.importorskip("submitit", reason="submitit is not installed")

import savethat

REASON = slurm.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

NODE = """
import dataclasses, time
import savethat

@dataclasses.dataclass(frozen=True)
class CountArgs:
    to: int = 3

class Count(savethat.Node[CountArgs, list]):
    def _run(self):
        file = self.output_dir / "counted.txt"
        counted = file.read_text().split() if file.exists() else []
        first = len(counted)
        for number in range(first, self.args.to):
            with file.open("a") as out:
                out.write(f"{number}\\n")
            time.sleep(0.05)
        return [first, self.args.to]
"""
MAIN = """
import savethat
if __name__ == "__main__":
    savethat.run_main("counts", env_file="savethat.toml")
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Cluster]:
    with slurm.running_cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


class Project:
    """A project whose nodes are submitted to the cluster."""

    def __init__(self, folder: Path, cluster: slurm.Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        (folder / "counts").mkdir()
        (folder / "counts" / "__init__.py").write_text(NODE)
        (folder / "counts" / "__main__.py").write_text(MAIN)
        (folder / "savethat.toml").write_text('local_path = "${PROJECT_ROOT}/data_storage"\n')
        self.storage = savethat.get_storage(folder / "savethat.toml")

    def __call__(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "counts", *words],
            cwd=self.folder,
            env={**self.cluster.environment, "SAVETHAT_DISABLE_PLUGINS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def state(self, key: str) -> str:
        found = {run["run_key"]: run["run_state"] for run in self.storage.find_runs()}
        return str(found[key])

    def wait_for(self, key: str, state: str) -> None:
        try:
            slurm.wait_for(lambda: self.state(key) == state, 60)
        except TimeoutError:
            folder = self.storage.storage_path
            logs = [file.read_text() for file in folder.glob(".savethat/jobs/*_log.*")]
            pytest.fail(f"{key} is {self.state(key)}, not {state}:\n" + "\n".join(logs))

    def counted(self, key: str) -> int:
        file = self.storage / key / "counted.txt"
        return len(file.read_text().split()) if file.exists() else 0


@pytest.fixture
def project(tmp_path: Path, cluster: slurm.Cluster, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    return Project(tmp_path, cluster)


def test_a_node_is_queued_and_then_run(project: Project) -> None:
    project.cluster("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        key = project("submit", "--with", "timeout_min=60", "Count", "--to", "2").strip()

        assert project.state(key) == "queued"
        assert project.storage.find_runs(only_failed=True) == []
        assert f"{key} waits in the queue of slurm" in project("rm", key, "--force", status=1)
    finally:
        project.cluster("scontrol", "update", "PartitionName=main", "State=UP")

    project.wait_for(key, "completed")
    assert project.storage.load_results(key) == [0, 2]
    facts = json.loads((project.storage / key / "reproducible.json").read_text())
    assert "SLURM_JOB_ID" in facts["environment"]


@pytest.mark.parametrize("how", ["USR1", "USR2", "requeue"])
def test_a_preempted_run_goes_on_where_it_was(project: Project, how: str) -> None:
    key = project("submit", "Count", "--to", "120").strip()
    slurm.wait_for(lambda: project.counted(key) > 3, 60)

    number, _ = project.cluster.queue()[key]
    if how == "requeue":
        project.cluster("scontrol", "requeue", number)
    else:
        project.cluster("scancel", f"--signal={how}", number)

    project.wait_for(key, "preempted")
    project.wait_for(key, "completed")
    first, last = project.storage.load_results(key)
    assert first > 3
    assert last == project.counted(key) == 120
    assert len(project.storage.find_runs()) == 1


def test_a_cancelled_run_is_interrupted(project: Project) -> None:
    key = project("submit", "Count", "--to", "2000").strip()
    slurm.wait_for(lambda: project.counted(key) > 3, 60)

    project.cluster("scancel", "--name", key)

    project.wait_for(key, "interrupted")
    project.storage.remove(key)


def test_a_run_whose_job_never_starts_is_lost(project: Project) -> None:
    project.cluster("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        key = project("submit", "Count").strip()
        project.cluster("scancel", "--name", key)

        project.wait_for(key, "lost")
    finally:
        project.cluster("scontrol", "update", "PartitionName=main", "State=UP")
    project("rm", key, "--force")


def test_what_slurm_refuses_is_said_and_kept(project: Project) -> None:
    shown = project("submit", "--with", "slurm_partition=nowhere", "Count", status=1)

    assert "invalid partition specified: nowhere" in shown
    (run,) = project.storage.find_runs()
    assert run["run_state"] == "failed"


def test_a_run_of_a_batch_script_is_preempted_too(project: Project) -> None:
    """Without submitit: ``sbatch`` with a script that runs the node."""
    script = project.folder / "job.sh"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -m counts run Count --to 2000\n")
    options = [f"--chdir={project.folder}", f"--output={project.folder}/out", "--no-requeue"]
    number = project.cluster("sbatch", "--parsable", *options, str(script)).strip()
    slurm.wait_for(project.storage.find_runs, 60)
    (run,) = project.storage.find_runs()
    slurm.wait_for(lambda: project.counted(run["run_key"]) > 3, 60)

    project.cluster("scancel", "--batch", "--signal=USR1", number)

    project.wait_for(run["run_key"], "preempted")
