"""What a run has written reaches the remote while it goes on; its heart beats until all has."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import expcore
import savethat
from savethat import _background, _run_sync, _sync
from savethat._run_sync import RunSync
from savethat._state import RunState, read_state

KEY = "Fit_2026-01-01T00-00-00_abcdef"
LIMIT_S = 20


class Watched(expcore.LocalStorage):
    """A remote that calls ``during(name)`` in the middle of each upload."""

    def __init__(self, folder: Path, during: Callable[[str], object]) -> None:
        super().__init__(folder)
        self.during, self.arrived = during, list[str]()

    def upload(self, path: Any, key: str, **more: Any) -> expcore.Stat:
        name = key.partition("/")[2]
        self.during(name)
        stat = super().upload(path, key, **more)
        self.arrived.append(name)
        return stat


@pytest.fixture
def begin(
    synced: savethat.Storage, tmp_path: Path
) -> Callable[[Callable[[str], object]], tuple[RunSync, Watched]]:
    """A run that is going on, and its remote."""

    def make(during: Callable[[str], object] = lambda _: None) -> tuple[RunSync, Watched]:
        (synced / KEY).mkdir(parents=True)
        remote = synced.__dict__["remote"] = Watched(tmp_path / "remote", during)
        return RunSync(synced, KEY, RunState(pending_sync=True)), remote

    return make


def write(folder: Path, *names: str, age_s: float = 1000) -> None:
    """Files of that age, each a little younger than the one before."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
        changed = time.time() - age_s + number
        os.utime(folder / name, (changed, changed))


Begin = Callable[..., tuple[RunSync, Watched]]


def test_several_files_are_uploaded_at_once_and_the_newest_after_the_others(
    synced: savethat.Storage, begin: Begin
) -> None:
    together = threading.Barrier(_run_sync.AT_ONCE)  # passed by so many uploads at once only

    def during(name: str) -> None:
        if name.startswith("part"):
            together.wait(LIMIT_S)

    sync, remote = begin(during)
    parts = [f"part{number}.bin" for number in range(2 * _run_sync.AT_ONCE)]
    write(synced / KEY, *parts, "complete", "artifacts.jsonl")

    sync.upload_settled(threading.Event())

    assert sorted(remote.arrived[:-2]) == parts
    assert remote.arrived[-2:] == ["complete", "artifacts.jsonl"]


def test_the_oldest_files_go_first(
    synced: savethat.Storage, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_run_sync, "AT_ONCE", 1)
    sync, remote = begin()
    names = ["ckpt/9.npz", "ckpt/10.npz", "a.txt", "ckpt/11.npz"]
    write(synced / KEY, *names)

    sync.upload_settled(threading.Event())

    assert remote.arrived == names


def test_a_file_that_is_being_written_waits_and_so_do_results(
    synced: savethat.Storage, begin: Begin
) -> None:
    sync, remote = begin()
    write(synced / KEY, "fresh.npz", age_s=0)
    write(synced / KEY, "results.pickle", "old.npz", ".old.npz.0123456789abcdef.tmp")
    write(synced / KEY, "output.log", age_s=0)  # it grows all the time

    sync.upload_settled(threading.Event())

    assert remote.arrived == ["old.npz", "output.log"]


def test_a_file_that_changes_while_it_is_uploaded_is_uploaded_again(
    synced: savethat.Storage, begin: Begin
) -> None:
    def during(name: str) -> None:
        if name == "model.npz" and not remote.arrived:
            write(synced / KEY, "model.npz", age_s=500)  # its time is another now

    sync, remote = begin(during)
    write(synced / KEY, "model.npz", "complete")

    sync.upload_settled(threading.Event())
    assert remote.arrived == ["model.npz"]

    sync.upload_settled(threading.Event())
    assert remote.arrived == ["model.npz", "complete", "model.npz"]


def test_a_name_that_no_storage_keeps_and_a_file_that_is_gone_hold_nothing_up(
    synced: savethat.Storage, begin: Begin
) -> None:
    def during(name: str) -> None:
        if name == "gone.npz":
            (synced / KEY / name).unlink()

    sync, remote = begin(during)
    write(synced / KEY, "aux.txt", "gone.npz", "good.npz")

    sync.upload_settled(threading.Event())

    assert remote.arrived == ["good.npz"]


def test_an_unreachable_remote_is_not_asked_for_every_file(
    synced: savethat.Storage, begin: Begin
) -> None:
    asked: list[str] = []

    def during(name: str) -> None:
        asked.append(name)
        raise expcore.StorageUnavailable("memory:", f"write {name!r}", "down")

    sync, _ = begin(during)
    write(synced / KEY, *(f"{number}.npz" for number in range(1000)))

    sync.upload_settled(threading.Event())

    assert len(asked) <= _run_sync.AT_ONCE


def test_nothing_more_begins_when_there_is_no_time_left(
    synced: savethat.Storage, begin: Begin
) -> None:
    over = threading.Event()
    sync, remote = begin(lambda _: over.set())
    write(synced / KEY, *(f"{number}.npz" for number in range(100)))

    sync.upload_settled(over)

    assert 1 <= len(remote.arrived) <= _run_sync.AT_ONCE


NodeThat = Callable[..., savethat.Node[Any, Any]]


def beats_on(state: Callable[[], RunState]) -> bool:
    """Wait until a heartbeat is younger than it is now."""
    first, limit = state().heartbeat, time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        if state().heartbeat > first:
            return True
    return False


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats, and uploads of what has changed, as often as can be."""
    monkeypatch.setattr(_background, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(_background, "TELL_S", 0)
    monkeypatch.setattr(_run_sync, "SETTLED_S", -1)
    monkeypatch.setattr(_run_sync, "AGAIN_S", -1)


def states(storage: savethat.Storage, remote: Path, key: str) -> list[Callable[[], RunState]]:
    """The state of a run here and remotely."""

    def state_of(folder: Path) -> RunState:
        state = read_state(folder / key)
        assert state is not None
        return state

    return [lambda: state_of(storage.storage_path), lambda: state_of(remote)]


@pytest.mark.usefixtures("quick")
def test_the_heart_beats_on_while_uploads_take_long(
    synced: savethat.Storage, tmp_path: Path, node_that: NodeThat
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

    synced.__dict__["remote"] = Watched(tmp_path / "remote", during)
    node_that(save, on=synced, key=KEY).run()

    assert seen == {"large.npz": [True, True], "results.pickle": [True, True]}
    for state in states(synced, tmp_path / "remote", KEY):
        assert (state().state, state().pending_sync) == ("completed", False)


@pytest.mark.usefixtures("quick")
def test_a_run_that_is_synced_late_is_arriving_and_not_lost(
    synced: savethat.Storage, elsewhere: savethat.Storage, tmp_path: Path
) -> None:
    seen: list[object] = []

    def during(name: str) -> None:
        if name == "results.pickle":
            seen.extend(run["run_state"] for run in elsewhere.find_runs())
            with pytest.raises(savethat.RunStillRunning):
                elsewhere.remove(KEY, remote=True)

    synced.__dict__["remote"] = Watched(tmp_path / "remote", during)
    (synced / KEY).mkdir(parents=True)
    long_ago = "2026-01-01T00:00:00+00:00"
    state = RunState(state="completed", heartbeat=long_ago, ended=long_ago, pending_sync=True)
    state.write(synced / KEY)
    write(synced / KEY, "args.json", "results.pickle")

    _sync.push(synced, KEY)

    assert seen == ["running"]
    assert [run["run_state"] for run in elsewhere.find_runs()] == ["completed"]


@pytest.mark.usefixtures("quick")
def test_the_last_version_of_a_file_wins(
    synced: savethat.Storage, tmp_path: Path, node_that: NodeThat
) -> None:
    def rewrite(node: savethat.Node[Any, Any]) -> None:
        limit, number = time.monotonic() + LIMIT_S, 0
        while not (tmp_path / "remote" / KEY / "best.npz").exists() or number < 300:
            assert time.monotonic() < limit
            number += 1
            expcore.write_file(node.output_dir / "best.npz", f"{number}".encode() * 1000)

    node_that(rewrite, on=synced, key=KEY).run()

    there = (tmp_path / "remote" / KEY / "best.npz").read_bytes()
    assert there == (synced / KEY / "best.npz").read_bytes()


def test_what_a_killed_writer_has_left_is_neither_listed_nor_uploaded_nor_kept(
    synced: savethat.Storage, elsewhere: savethat.Storage
) -> None:
    (synced / KEY / "ckpt").mkdir(parents=True)
    RunState(pending_sync=True, pid=0, process="0").write(synced / KEY)
    left = [".results.pickle.0123456789abcdef.tmp", "ckpt/.1.npz.0123456789abcdef.tmp"]
    write(synced / KEY, "args.json", "ckpt/0.npz", "ckpt/own.tmp", *left)

    (run,) = synced.find_runs()
    assert sorted(Path(file).name for file in run["run_files"]) == [
        "0.npz",
        "args.json",
        "own.tmp",
        "state.json",
    ]
    assert not set(left) & {path.name for path in synced.ls(KEY, recursive=True)}
    _sync.push(synced, KEY)

    assert [(synced / KEY / name).exists() for name in left] == [False, False]
    (found,) = elsewhere.find_runs()
    assert (found["run_state"], found["run_files"]) == ("lost", run["run_files"])
