"""Nodes that are submitted: queued with their key, and run in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import savethat
from savethat import _scheduler
from savethat._config import Config
from savethat._signals import Terminated, end_signals
from savethat._state import RunState, read_state

if TYPE_CHECKING:
    from .conftest import Project

SLEEPS = """
import dataclasses, time
import savethat

@dataclasses.dataclass(frozen=True)
class SleepsArgs:
    seconds: float = 60
    token: savethat.Secret[str] | None = None

class Sleeps(savethat.Node[SleepsArgs, int]):
    def _run(self):
        file = self.output_dir / "times.txt"
        times = len(file.read_text()) if file.exists() else 0
        file.write_text("x" * (times + 1))
        end = time.monotonic() + (0 if times else self.args.seconds)
        while time.monotonic() < end:
            time.sleep(0.05)
        return times
"""


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def command(name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a command of Slurm's name in the place where it is looked for."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    _scheduler._names_in_queue.cache_clear()


posix = pytest.mark.skipif(os.name != "posix", reason="Slurm's commands and signals are POSIX's")


def test_a_submitted_node_is_run_by_another_process(project: Project) -> None:
    pytest.importorskip("submitit")

    done = project("submit", "--cluster", "local", "FitOLS", "--my-args", "hi")

    key = done.stdout.strip()
    storage = savethat.get_storage(project.folder / "savethat.toml")
    until(lambda: storage.find_runs(only_completed=True))
    (run,) = storage.find_runs()
    assert (run["run_key"], run["my_args"]) == (key, "hi")
    assert storage.load_results(key) == "hi"
    assert "printed hi" in (storage / key / "output.log").read_text()
    state = read_state(storage / key)
    assert state is not None
    until(lambda: state.job == f"local {key}")


@posix
def test_a_preempted_run_is_started_again_in_its_folder(project: Project) -> None:
    pytest.importorskip("submitit")
    project.write("my_project/sleeps.py", SLEEPS)
    key = project("submit", "--cluster", "local", "Sleeps").stdout.strip()
    folder = project.folder / "data_storage" / key
    until((folder / "times.txt").exists)
    state = read_state(folder)
    assert state is not None

    os.kill(state.pid, signal.SIGUSR2)

    until((folder / "results.pickle").exists)
    assert savethat.Storage(folder.parent).load_results(key) == 1
    log = (folder / "output.log").read_text()
    assert log.count("Terminated: SIGUSR2") >= 1


def test_a_submitted_node_is_queued_before_it_runs(
    importable: Callable[[str, str], Path],
    storage: savethat.Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submitit = pytest.importorskip("submitit")
    importable("sleeping.py", SLEEPS)
    import sleeping  # type: ignore[import-not-found]

    seen: list[str] = []

    def look(*_: object) -> None:
        seen.extend(run["run_state"] for run in storage.find_runs())
        raise RuntimeError("the queue is full")

    monkeypatch.setattr(submitit.AutoExecutor, "submit", look)
    node = savethat.create_node(sleeping.Sleeps, {"seconds": 0}, storage=storage)

    with pytest.raises(savethat.Refused, match="not taken by local: RuntimeError: the queue is"):
        savethat.submit(node, cluster="local")

    assert seen == ["queued"]
    (run,) = storage.find_runs()
    assert (run["run_key"], run["run_state"], run["seconds"]) == (node.key, "failed", 0)
    with pytest.raises(savethat.NodeAlreadyRan):
        savethat.submit(node)


def test_a_queued_run_is_seen_on_other_machines(
    importable: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitit = pytest.importorskip("submitit")
    importable("sleeping.py", SLEEPS)
    import sleeping  # type: ignore[import-not-found]

    remote = tmp_path / "remote"
    here, there = (
        savethat.Storage(savethat_config(tmp_path / name, remote)) for name in ("here", "there")
    )
    monkeypatch.setattr(submitit.AutoExecutor, "submit", lambda *_: None)
    node = savethat.create_node(sleeping.Sleeps, {"seconds": 3}, storage=here)

    savethat.submit(node, cluster="local")

    (run,) = there.find_runs()
    assert (run["run_key"], run["run_state"], run["seconds"]) == (node.key, "queued", 3)


def savethat_config(folder: Path, remote: Path) -> Config:
    remote.mkdir(exist_ok=True)
    return Config(local_path=folder, remote=str(remote))


def test_a_secret_is_not_put_into_the_queue(
    importable: Callable[[str, str], Path], storage: savethat.Storage
) -> None:
    importable("sleeping.py", SLEEPS)
    import sleeping  # type: ignore[import-not-found]

    node = savethat.create_node(sleeping.Sleeps, {"token": "s3cret"}, storage=storage)

    with pytest.raises(savethat.Refused, match="hold a secret"):
        savethat.submit(node, cluster="local")
    assert storage.find_runs() == []


def test_the_key_to_the_remote_is_not_put_into_the_queue(
    importable: Callable[[str, str], Path], tmp_path: Path
) -> None:
    from savethat._submit import _make_job

    importable("sleeping.py", SLEEPS)
    import sleeping  # type: ignore[import-not-found]

    file = tmp_path / "savethat.toml"
    file.write_text('b2_bucket = "b"\nb2_key_id = "id"\nb2_key = "K00-secret"\n')
    node = savethat.create_node(sleeping.Sleeps, env_file=file)

    assert "K00-secret" not in repr(_make_job(node))
    assert _make_job(node).config is None


def test_a_node_of_a_function_cannot_be_submitted(storage: savethat.Storage) -> None:
    class Inner(savethat.Node[savethat.Args, None]):
        def _run(self) -> None: ...

    with pytest.raises(savethat.Refused, match="at the top of a module"):
        savethat.submit(savethat.create_node(Inner, storage=storage), cluster="local")


def test_without_submitit_the_extra_is_named(project: Project) -> None:
    project.write("submitit.py", "raise ImportError")

    assert "with its extra `slurm`" in project("submit", "FitOLS", status=1).stderr
    assert project.runs() == []


def test_a_parameter_has_a_name_and_a_value(project: Project) -> None:
    shown = project("submit", "--with", "timeout_min", "FitOLS", status=2).stderr

    assert "'timeout_min' is not NAME=VALUE" in shown


@posix
def test_a_queued_run_is_lost_when_its_job_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = RunState(state="queued", job="slurm N_1")
    preempted = replace(waits, state="preempted")
    command("squeue", "echo other; echo N_1", tmp_path / "bin", monkeypatch)
    assert (waits.now, waits.goes_on, preempted.goes_on) == ("queued", True, True)

    command("squeue", "echo other", tmp_path / "bin", monkeypatch)
    assert (waits.now, waits.goes_on, preempted.goes_on) == ("lost", False, False)
    assert preempted.now == "preempted"

    command("squeue", "exit 1", tmp_path / "bin", monkeypatch)
    assert waits.now == "queued"  # nothing is known

    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    local = RunState(state="queued", job="local N_1")
    assert (local.now, replace(local, heartbeat=old).now) == ("queued", "lost")


@posix
@pytest.mark.parametrize(
    ("told", "restarts", "expected"),
    [
        ("Requeue=1 Restarts=1 BatchFlag=1", "0", True),
        ("Requeue=1 Restarts=1 BatchFlag=1", "1", False),
        ("Restarts=0 PreemptEligibleTime=x PreemptTime=2026-11-21T08:00:00", "0", True),
        ("Restarts=0 PreemptEligibleTime=x PreemptTime=None", "0", False),
    ],
)
def test_sigterm_preempts_where_slurm_will_start_the_job_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, restarts: str, expected: bool
) -> None:
    command("scontrol", f"echo '{told}'", tmp_path / "bin", monkeypatch)
    assert not Terminated(signal.SIGTERM).preempted  # in no job

    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)

    assert Terminated(signal.SIGTERM).preempted is expected
    assert not Terminated(signal.SIGHUP).preempted
    assert Terminated(signal.SIGUSR1).preempted


@posix
def test_signals_of_users_are_theirs_outside_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert signal.SIGUSR1 not in end_signals()

    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM} <= set(end_signals())


@posix
def test_a_run_in_a_job_is_preempted_by_the_signal(tmp_path: Path) -> None:
    code = textwrap.dedent(SLEEPS) + "import sys\nsavethat.create_node("
    code += "Sleeps, storage=savethat.Storage(sys.argv[1]), key='run').run()\n"
    environment = {**os.environ, "SLURM_JOB_ID": "7"}
    command_line = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command_line, env=environment, stderr=subprocess.DEVNULL) as process:
        until((tmp_path / "run" / "times.txt").exists)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(60) == 128 + signal.SIGUSR1

    state = read_state(tmp_path / "run")
    assert state is not None
    assert (state.state, state.error) == ("preempted", "Terminated: SIGUSR1")
