"""What a run has written reaches the remote while it goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import expcore
import savethat
from savethat import _run_sync, _sync
from savethat._run_sync import RunSync
from savethat._state import RunState

KEY = "Fit_2026-01-01T00-00-00_abcdef"
LIMIT_S = 20
NodeThat = Callable[..., savethat.Node[Any, Any]]
Begin = Callable[..., tuple[RunSync, Any]]
Write = Callable[..., None]


@pytest.fixture
def begin(synced: savethat.Storage, watch: Callable[..., Any]) -> Begin:
    """A run that is going on, and its remote."""

    def make(during: Callable[[str], object] = lambda _: None) -> tuple[RunSync, Any]:
        (synced / KEY).mkdir(parents=True)
        remote = watch(during)
        return RunSync(synced, KEY, RunState(pending_sync=True)), remote

    return make


def test_several_files_are_uploaded_at_once_and_the_newest_after_the_others(
    synced: savethat.Storage, begin: Begin, write: Write
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
    synced: savethat.Storage, begin: Begin, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    monkeypatch.setattr(_run_sync, "AT_ONCE", 1)
    sync, remote = begin()
    names = ["ckpt/9.npz", "ckpt/10.npz", "a.txt", "ckpt/11.npz"]
    write(synced / KEY, *names)

    sync.upload_settled(threading.Event())

    assert remote.arrived == names


def test_a_file_that_is_being_written_waits_and_so_do_results(
    synced: savethat.Storage, begin: Begin, write: Write
) -> None:
    sync, remote = begin()
    write(synced / KEY, "fresh.npz", age_s=0)
    write(synced / KEY, "results.pickle", "old.npz", ".old.npz.0123456789abcdef.tmp")
    write(synced / KEY, "output.log", age_s=0)  # it grows all the time

    sync.upload_settled(threading.Event())

    assert remote.arrived == ["old.npz", "output.log"]


def test_a_file_that_changes_while_it_is_uploaded_is_uploaded_again(
    synced: savethat.Storage, begin: Begin, write: Write
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


@pytest.mark.skipif(sys.platform == "win32", reason="no file has such a name there")
def test_a_name_that_no_storage_keeps_and_a_file_that_is_gone_hold_nothing_up(
    synced: savethat.Storage, begin: Begin, write: Write
) -> None:
    def during(name: str) -> None:
        if name == "gone.npz":
            (synced / KEY / name).unlink()

    sync, remote = begin(during)
    write(synced / KEY, "aux.txt", "gone.npz", "good.npz")

    sync.upload_settled(threading.Event())

    assert remote.arrived == ["good.npz"]


def test_an_unreachable_remote_is_not_asked_for_every_file(
    synced: savethat.Storage, begin: Begin, write: Write
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
    synced: savethat.Storage, begin: Begin, write: Write
) -> None:
    over = threading.Event()
    sync, remote = begin(lambda _: over.set())
    write(synced / KEY, *(f"{number}.npz" for number in range(100)))

    sync.upload_settled(over)

    assert 1 <= len(remote.arrived) <= _run_sync.AT_ONCE


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
    synced: savethat.Storage, elsewhere: savethat.Storage, write: Write
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


def test_a_slow_upload_at_the_end_is_told_of(
    synced: savethat.Storage, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()
    monkeypatch.setattr(_run_sync, "SLOW_S", 0)
    savethat.logger.add(lambda line: told.set() if "still being uploaded to" in line else None)
    sync, remote = begin(lambda _: told.wait(LIMIT_S))
    (synced / KEY / "a").write_text("a")

    sync.finish(sync.state.end("completed"))

    assert told.is_set()
    assert remote.arrived == ["a"]
