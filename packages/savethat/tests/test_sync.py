"""Runs reach the remote: at their end, by the next run, or by ``sync``."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import savethat
from expcore import MemoryStorage
from savethat import _claim, _pending, _remote, _run_sync, _sync

NodeThat = Callable[..., savethat.Node[Any, Any]]
Offline = Callable[[savethat.Storage, str, str], str]


@pytest.fixture
def run_offline(
    monkeypatch: pytest.MonkeyPatch, run_word: Callable[..., str]
) -> Callable[[savethat.Storage, str, str], str]:
    """Run a node while the remote cannot be reached."""

    def down(*_: object) -> None:
        raise ConnectionError("down")

    def run_it(storage: savethat.Storage, word: str, key: str) -> str:
        with monkeypatch.context() as patch:
            for module in (_claim, _run_sync, _sync):
                patch.setattr(module, "is_owned", down)
            with pytest.warns(savethat.NotSyncedWarning, match="down"):
                return run_word(storage, word, key)

    return run_it


@pytest.mark.skipif(sys.platform == "win32", reason="no file has such a name there")
def test_a_file_whose_name_no_storage_keeps_does_not_hold_up_the_others(
    synced: savethat.Storage, elsewhere: savethat.Storage, node_that: NodeThat
) -> None:
    def do(node: savethat.Node[Any, Any]) -> None:
        (node.output_dir / "deep").mkdir()
        for name in ("aux.txt", "deep/bad\\name", "good.txt"):
            (node.output_dir / name).write_text("x")

    node = node_that(do, on=synced)
    with pytest.warns(savethat.NotSyncedWarning) as caught:
        node.run()

    messages = sorted(str(warning.message) for warning in caught)
    assert [message.partition(" is not uploaded")[0] for message in messages] == [
        f"'aux.txt' of {node.key}",
        f"'deep/bad\\\\name' of {node.key}",
    ]
    (found,) = elsewhere.find_runs()
    assert found["run_completed"]
    assert str(Path(node.key, "good.txt")) in [str(Path(file)) for file in found["run_files"]]


def test_a_run_of_a_version_without_states_can_be_uploaded(
    synced: savethat.Storage, elsewhere: savethat.Storage
) -> None:
    folder = synced / "FitOLS_2022-05-01T10-00-00"
    folder.mkdir(parents=True)
    (folder / "args.json").write_text("{}")

    synced.upload(folder.name)

    assert [run["run_state"] for run in elsewhere.find_runs()] == ["failed"]


def test_a_key_taken_remotely_while_the_network_was_down_is_renamed_when_it_is_back(
    synced: savethat.Storage,
    elsewhere: savethat.Storage,
    run_offline: Offline,
    run_word: Callable[..., str],
) -> None:
    run_word(elsewhere, "theirs", "final")
    assert run_offline(synced, "mine", "final") == "final"
    assert _sync.pending(synced) == ["final"]

    assert list(_sync.push_pending(synced)) == ["final-2"]

    assert _sync.pending(synced) == []
    assert not (synced / "final").exists()
    assert {r["run_key"]: r["word"] for r in elsewhere.find_runs()} == {
        "final": "theirs",
        "final-2": "mine",
    }


def test_a_pending_run_that_is_uploaded_by_hand_is_not_pending_any_more(
    synced: savethat.Storage, elsewhere: savethat.Storage, run_offline: Offline
) -> None:
    key = run_offline(synced, "a", "first")
    assert _sync.pending(synced) == [key]

    assert synced.upload(key).endswith(f"/{key}")

    assert _sync.pending(synced) == []
    assert elsewhere.load_results(key) == "a"


def test_a_run_that_is_going_on_can_upload_itself(
    synced: savethat.Storage, elsewhere: savethat.Storage, node_that: NodeThat
) -> None:
    def do(node: savethat.Node[Any, Any]) -> str:
        (node.output_dir / "half.txt").write_text("half")
        node.storage.upload(node.key)
        (found,) = elsewhere.find_runs()
        return f"{found['run_state']} {len(found['run_files'])}"

    node = node_that(do, on=synced)

    assert node.run().startswith("running ")
    assert elsewhere.find_runs()[0]["run_state"] == "completed"


def test_what_is_still_being_uploaded_has_not_failed_and_is_not_removed(
    synced: savethat.Storage,
    elsewhere: savethat.Storage,
    monkeypatch: pytest.MonkeyPatch,
    run_word: Callable[..., str],
) -> None:
    upload = _remote.upload_folder
    seen: list[str] = []

    def look(*given: Any, **more: Any) -> None:
        if given[0].name == "final" and more:
            seen.extend(found["run_state"] for found in elsewhere.find_runs())
            with pytest.raises(savethat.RunStillRunning):
                elsewhere.remove("final", remote=True)
        upload(*given, **more)

    monkeypatch.setattr(_sync, "upload_folder", look)

    run_word(synced, "a", "final")

    assert set(seen) == {"running"}
    assert [found["run_state"] for found in elsewhere.find_runs()] == ["completed"]
    elsewhere.remove("final", remote=True)


def test_a_broken_run_holds_up_no_other(
    synced: savethat.Storage, elsewhere: savethat.Storage, run_offline: Offline
) -> None:
    torn, good = run_offline(synced, "a", "first"), run_offline(synced, "b", "second")
    (synced / torn / "state.json").write_text("{")

    with pytest.raises(savethat.NotSynced, match="still pending: first ") as caught:
        list(_sync.push_pending(synced))

    assert list(caught.value.problems) == _sync.pending(synced) == [torn]
    assert elsewhere.load_results(good) == "b"


def test_a_failing_upload_of_an_earlier_run_is_not_blamed_on_this_one(
    synced: savethat.Storage,
    elsewhere: savethat.Storage,
    run_offline: Offline,
    run_word: Callable[..., str],
) -> None:
    first = run_offline(synced, "a", "first")
    (synced / first / "state.json").write_text("{")

    with pytest.warns(savethat.NotSyncedWarning, match="an earlier run is kept"):
        second = run_word(synced, "b")

    assert _sync.pending(synced) == [first]
    assert elsewhere.load_results(second) == "b"


def test_of_two_machines_that_were_both_offline_one_gets_the_second_name(
    synced: savethat.Storage,
    elsewhere: savethat.Storage,
    run_offline: Offline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both find the key free, and then claim it at the same time."""
    run_offline(synced, "mine", "final")
    run_offline(elsewhere, "theirs", "final")
    owner, asked = _claim._owner, [0]

    def see_it_free(*arguments: object) -> str | None:
        asked[0] += 1
        if asked[0] == 1:  # between the question and the claim, the other machine uploads its run
            assert list(_sync.push_pending(elsewhere)) == ["final"]
            return None
        return owner(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(_claim, "_owner", see_it_free)

    assert list(_sync.push_pending(synced)) == ["final-2"]

    words = {found["run_key"]: found["word"] for found in elsewhere.find_runs()}
    assert words == {"final": "theirs", "final-2": "mine"}


def test_what_another_process_uploads_is_left_to_it(
    synced: savethat.Storage, run_offline: Offline
) -> None:
    key = run_offline(synced, "a", "first")

    with _pending.uploading(synced, key):
        assert _sync.pending(synced) == []
    assert _sync.pending(synced) == []  # this process has not given up
    mark = synced / _pending.PENDING / key
    where, pid, _ = json.loads(mark.read_text())
    mark.write_text(json.dumps([where, pid, "1"]))  # of a process that was killed
    assert _sync.pending(synced) == [key]
    with pytest.raises(ConnectionError), _pending.uploading(synced, key):
        raise ConnectionError("down")
    assert _sync.pending(synced) == [key]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files")
def test_links_and_pipes_are_named_and_hold_up_nothing(
    synced: savethat.Storage, node_that: NodeThat, tmp_path: Path
) -> None:
    def do(node: savethat.Node[Any, Any]) -> None:
        (node.output_dir / "bad\\name").write_text("x")
        (node.output_dir / "nowhere").symlink_to("gone")
        (node.output_dir / "home").symlink_to(Path.home())
        os.mkfifo(node.output_dir / "pipe")

    node = node_that(do, on=synced)
    with pytest.warns(savethat.NotSyncedWarning) as caught:
        node.run()

    (links, name) = map(str, (warning.message for warning in caught))
    assert "bad" in name
    assert all(link in links for link in ("nowhere", "home", "pipe"))
    there = {path.name for path in (tmp_path / "remote" / node.key).iterdir()}
    assert {"results.pickle", "args.json"} <= there
    assert not {"nowhere", "home", "pipe"} & there


def test_what_is_removed_during_an_upload_is_no_failure(tmp_path: Path) -> None:
    """A checkpoint that is too many, say, with its folder; no more than that, and no link."""
    for name in ("a", "b"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "x").write_text(name)
    remote = MemoryStorage()
    found: list[str] = []

    def include(name: str) -> bool:
        found.append(name)
        if len(found) == 1:
            shutil.rmtree(tmp_path / "run" / ("b" if name == "a/x" else "a"))
        return True

    _remote.upload_folder(tmp_path / "run", remote, "run", include)

    assert [entry.key for entry in remote.list()] == [f"run/{found[0]}"]
