"""The heart of a run beats until the last of it has arrived, here and remotely."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import savethat
from savethat import _background, _sync
from savethat._state import RunState, read_state

KEY = "Fit_2026-01-01T00-00-00_abcdef"
LIMIT_S = 20
NodeThat = Callable[..., savethat.Node[Any, Any]]
Watch = Callable[[Callable[[str], object]], Any]
Write = Callable[..., None]


def beats_on(state: Callable[[], RunState]) -> bool:
    """Wait until a heartbeat is younger than it is now."""
    first, limit = state().heartbeat, time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        if state().heartbeat > first:
            return True
    return False


def states(storage: savethat.Storage, remote: Path, key: str) -> list[Callable[[], RunState]]:
    """The state of a run here and remotely."""

    def state_of(folder: Path) -> RunState:
        state = read_state(folder / key)
        assert state is not None
        return state

    return [lambda: state_of(storage.storage_path), lambda: state_of(remote)]


def test_the_heartbeat_goes_on_beside_the_run(
    node_that: NodeThat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_background, "HEARTBEAT_S", 0.01)

    def wait(node: savethat.Node[Any, Any]) -> bool:
        first = read_state(node.output_dir)
        assert first is not None
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            later = read_state(node.output_dir)
            assert later is not None
            if later.heartbeat > first.heartbeat:
                return later == replace(first, heartbeat=later.heartbeat)
        return False

    assert node_that(wait).run()


@pytest.mark.usefixtures("quick")
def test_the_heart_beats_on_while_uploads_take_long(
    synced: savethat.Storage, tmp_path: Path, node_that: NodeThat, write: Write, watch: Watch
) -> None:
    """A large file during the run, the rest at its end: here and remotely the run stays alive."""
    seen: dict[str, list[bool]] = {}

    def during(name: str) -> None:
        if name in ("large.npz", "results.pickle") and name not in seen:
            seen[name] = [beats_on(state) for state in states(synced, tmp_path / "remote", KEY)]

    def save(node: savethat.Node[Any, Any]) -> None:
        write(node.output_dir, "large.npz")
        limit = time.monotonic() + LIMIT_S
        while "large.npz" not in seen and time.monotonic() < limit:
            time.sleep(0.01)

    watch(during)
    node_that(save, on=synced, key=KEY).run()

    assert seen == {"large.npz": [True, True], "results.pickle": [True, True]}
    for state in states(synced, tmp_path / "remote", KEY):
        assert (state().state, state().pending_sync) == ("completed", False)


@pytest.mark.usefixtures("quick")
def test_how_a_run_ended_is_written_before_uploads_are_waited_for(
    synced: savethat.Storage, tmp_path: Path, node_that: NodeThat, write: Write, watch: Watch
) -> None:
    """Who ends a run does not wait for long before it is killed."""
    begun, seen = threading.Event(), list[str]()

    def during(name: str) -> None:
        if name == "large.npz" and not begun.is_set():
            begun.set()
            here, limit = states(synced, tmp_path / "remote", KEY)[0], time.monotonic() + LIMIT_S
            while here().state == "running" and time.monotonic() < limit:
                time.sleep(0.01)
            seen.append(here().state)

    def interrupted(node: savethat.Node[Any, Any]) -> None:
        write(node.output_dir, "large.npz")
        assert begun.wait(LIMIT_S)
        raise KeyboardInterrupt

    watch(during)
    with pytest.raises(KeyboardInterrupt):
        node_that(interrupted, on=synced, key=KEY).run()

    assert seen == ["interrupted"]
    assert (tmp_path / "remote" / KEY / "large.npz").exists()


@pytest.mark.usefixtures("quick")
def test_a_run_that_is_synced_late_is_arriving_and_not_lost(
    synced: savethat.Storage,
    elsewhere: savethat.Storage,
    tmp_path: Path,
    write: Write,
    watch: Watch,
) -> None:
    seen: list[object] = []

    def during(name: str) -> None:
        if name == "results.pickle":
            seen.extend(run["run_state"] for run in elsewhere.find_runs())
            with pytest.raises(savethat.RunStillRunning):
                elsewhere.remove(KEY, remote=True)

    watch(during)
    (synced / KEY).mkdir(parents=True)
    long_ago = "2026-01-01T00:00:00+00:00"
    state = RunState(state="completed", heartbeat=long_ago, ended=long_ago, pending_sync=True)
    state.write(synced / KEY)
    write(synced / KEY, "args.json", "results.pickle")

    _sync.push(synced, KEY)

    assert seen == ["running"]
    assert [run["run_state"] for run in elsewhere.find_runs()] == ["completed"]


def test_another_machines_run_is_lost_when_its_heart_has_stopped() -> None:
    far = RunState(machine="elsewhere")
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    assert far.now == "running"
    assert replace(far, heartbeat=old).now == "lost"
    assert replace(far, heartbeat=old, state="failed").now == "failed"


def test_a_heartbeat_arrives_before_another_machine_holds_the_run_for_lost() -> None:
    from savethat._background import TELL_S
    from savethat._process import HEARTBEAT_S, LOST_AFTER_S

    assert HEARTBEAT_S + TELL_S < LOST_AFTER_S / 2
