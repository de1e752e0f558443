"""Running, lost, interrupted: told apart, whatever ends the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import savethat
from savethat._process import started
from savethat._state import RunState, decode_state, read_state

WAITS = """
import dataclasses, signal, sys, time, savethat

@dataclasses.dataclass(frozen=True)
class A:
    pass

class Waits(savethat.Node[A, str]):
    def _run(self):
        print("here", flush=True)
        for _ in range(1200):  # a signal just before a long sleep would be handled after it
            time.sleep(0.05)
        return "done"

for name in ("SIGHUP", "SIGINT", "SIGTERM"):  # the caller may ignore some (nohup)
    if hasattr(signal, name):
        default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
        signal.signal(getattr(signal, name), default)
savethat.create_node(Waits, storage=savethat.Storage(sys.argv[1]), key="waits").run()
"""
NodeThat = Callable[..., savethat.Node[Any, Any]]
posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a run."""
    child = subprocess.Popen(
        [sys.executable, "-c", WAITS, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    with child:
        yield child
        child.kill()


def state_of(folder: Path) -> str:
    (run,) = savethat.Storage(folder).find_runs()
    return str(run["run_state"])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the heartbeat tells")
def test_a_run_is_running_until_its_process_is_killed(
    tmp_path: Path, process: subprocess.Popen[str]
) -> None:
    assert state_of(tmp_path) == "running"
    assert savethat.Storage(tmp_path).find_runs(only_failed=True) == []
    with pytest.raises(savethat.RunStillRunning, match=f"as process {process.pid}"):
        savethat.Storage(tmp_path).remove("waits")

    process.kill()
    process.wait()

    assert state_of(tmp_path) == "lost"
    assert "STDOUT   | here" in (tmp_path / "waits" / "output.log").read_text()
    savethat.Storage(tmp_path).remove("waits")


@posix
@pytest.mark.parametrize(
    ("signum", "status", "error"),
    [
        (signal.SIGTERM, 128 + signal.SIGTERM, "Terminated: SIGTERM"),
        (1, 128 + 1, "Terminated: SIGHUP"),  # Windows has no signal.SIGHUP
        (signal.SIGINT, -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
def test_signals_interrupt_a_run_which_says_so(
    tmp_path: Path, process: subprocess.Popen[str], signum: int, status: int, error: str
) -> None:
    process.send_signal(signum)

    assert process.wait(20) == status
    state = read_state(tmp_path / "waits")
    assert state is not None
    assert (state.state, state.error) == ("interrupted", error)
    assert state_of(tmp_path) == "interrupted"
    log = (tmp_path / "waits" / "output.log").read_text()
    assert "Traceback" in log
    assert log.endswith(f"waits interrupted: {error}\n")
    assert "failed" not in log


def test_a_program_s_own_handler_is_left_alone(node_that: NodeThat) -> None:
    def own(*_: object) -> None: ...

    seen: list[object] = []

    before = signal.signal(signal.SIGTERM, own)
    try:
        node_that(lambda _: seen.append(signal.getsignal(signal.SIGTERM))).run()
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [own]


def test_a_run_in_another_thread_leaves_signals_alone(storage: savethat.Storage) -> None:
    node = savethat.create_node(Measures, storage=storage)
    thread = threading.Thread(target=node.run)
    thread.start()
    thread.join()

    assert storage.find_runs()[0]["run_completed"]


@dataclass(frozen=True)
class NoArgs:
    pass


class Measures(savethat.Node[NoArgs, None]):
    def _run(self) -> None:
        for step in range(3):
            self.log_metric("loss", 1 / (step + 1), step)
        self.log_metric("accuracy", True)


def test_metrics_are_kept_in_order(storage: savethat.Storage) -> None:
    node = savethat.create_node(Measures, storage=storage)
    node.run()

    lines = storage.load_metrics(node.key)
    assert [(line["name"], line["value"], line["step"]) for line in lines] == [
        ("loss", 1.0, 0),
        ("loss", 0.5, 1),
        ("loss", 1 / 3, 2),
        ("accuracy", 1.0, None),
    ]
    assert datetime.fromisoformat(lines[0]["time"]).tzinfo is not None


@pytest.mark.skipif(sys.platform != "linux", reason="the start of a process is known on Linux")
def test_a_process_of_the_same_number_is_not_the_same_process() -> None:
    mine = RunState()

    assert mine.process == started(os.getpid())
    assert mine.now == "running"
    assert replace(mine, process="1").now == "lost"
    stale = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert replace(mine, heartbeat=stale).now == "running"  # it is there, if busy


def test_a_state_of_a_later_version_is_read() -> None:
    data = {**json.loads(RunState(state="failed").encode()), "mood": "good"}

    assert decode_state(json.dumps(data).encode()).state == "failed"


def test_inputs_read_through_the_storage_are_known_by_digest(
    storage: savethat.Storage, node_that: NodeThat
) -> None:
    with storage.open("data/a.csv", "w") as file:
        file.write("1")

    def read(node: savethat.Node[Any, Any]) -> None:
        storage.download("data")
        for _ in range(2):
            with storage.open("data/a.csv") as file:
                file.read()
        with storage.open(node.output_dir / "own.txt", "w") as file:
            file.write("x")
        with storage.open(node.output_dir / "own.txt") as file:
            file.read()

    node = node_that(read)
    node.run()

    inputs = json.loads((node.output_dir / "reproducible.json").read_text())["inputs"]
    assert set(inputs) == {"data", "data/a.csv"}
    assert all(digest.startswith("xxh3_128:") for digest in inputs.values())


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_broken_file_of_one_run_does_not_hide_the_others(
    storage: savethat.Storage, content: str
) -> None:
    for name in ("one", "two"):
        savethat.create_node(Measures, storage=storage, key=name).run()
    (storage / "one" / "results.pickle").unlink()
    (storage / "one" / "state.json").write_text(content)
    (storage / "one" / "args.json").write_text(content)

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        runs = storage.find_runs()

    assert {run["run_key"]: run["run_state"] for run in runs} == {
        "one": "failed",
        "two": "completed",
    }


@posix
def test_a_child_process_that_is_terminated_is_not_the_run(
    storage: savethat.Storage, node_that: NodeThat
) -> None:
    def fork(_: object) -> int:
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    node = node_that(fork)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside a thread

        assert node.run() == -signal.SIGTERM
    assert [run["run_state"] for run in storage.find_runs()] == ["completed"]
