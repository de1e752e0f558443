"""Thousands of runs are described without opening their files, and never wrongly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import savethat
from savethat import _index
from savethat._found import Found

RUNS = 70


@pytest.fixture
def many(storage: savethat.Storage) -> savethat.Storage:
    """More runs than are worth an index, all of them long over."""
    for number in range(RUNS):
        folder = storage / f"Fit_2026-01-01T00-00-{number % 60:02}_{number:06}"
        (folder / "ckpt").mkdir(parents=True)
        (folder / "args.json").write_text(json.dumps({"number": number}))
        (folder / "ckpt" / "1.npz").write_text("x")
        if number % 2:
            (folder / "results.pickle").write_bytes(b"")
        settle(folder)
    return storage


def settle(folder: Path) -> None:
    """As if nothing had changed for an hour."""
    for path in (folder, folder / "ckpt"):
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 3600 * 10**9))


def test_what_is_remembered_is_what_was_read(
    many: savethat.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = many.find_runs()
    monkeypatch.setattr(Found, "read", lambda *_: pytest.fail("a file was opened"))

    assert many.find_runs() == first
    assert len(first) == RUNS
    assert [run["number"] for run in many.find_runs(only_completed=True)] == [
        run["number"] for run in first if run["run_completed"]
    ]


@pytest.mark.parametrize("change", ["results", "nested", "args"])
def test_a_run_that_changes_is_read_again(many: savethat.Storage, change: str) -> None:
    before = many.find_runs()[0]
    folder = many / before["run_key"]
    if change == "results":
        (folder / "results.pickle").write_bytes(b"")
    elif change == "nested":
        (folder / "ckpt" / "2.npz").write_text("x")
    else:
        (folder / "new.json").write_text('{"number": "new"}')
        (folder / "new.json").replace(folder / "args.json")

    after = many.find_runs()[0]

    assert after != before
    if change == "results":
        assert after["run_state"] == "completed"
    elif change == "nested":
        assert str(Path(before["run_key"], "ckpt", "2.npz")).replace(os.sep, "/") in [
            file.replace(os.sep, "/") for file in after["run_files"]
        ]
    else:
        assert after["number"] == "new"


def test_a_removed_run_is_gone(many: savethat.Storage) -> None:
    key = many.find_runs()[0]["run_key"]
    many.remove(key)

    assert key not in [run["run_key"] for run in many.find_runs()]


def test_a_folder_that_has_just_changed_is_not_remembered(many: savethat.Storage) -> None:
    """Its next change could bear the same time."""
    key = many.find_runs()[0]["run_key"]
    (many / _index.INDEX).unlink()
    os.utime(many / key)
    many.find_runs()

    known = json.loads((many / _index.INDEX).read_text())["runs"]
    assert key not in known
    assert len(known) == RUNS - 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 99, "runs": {}}'])
def test_a_broken_index_is_only_a_lost_cache(many: savethat.Storage, content: bytes) -> None:
    first = many.find_runs()
    (many / _index.INDEX).write_bytes(content)

    assert many.find_runs() == first


def test_the_index_is_no_run(many: savethat.Storage) -> None:
    assert len(many.find_runs()) == len(many.find_runs()) == RUNS


def test_a_run_that_is_going_on_is_not_remembered(many: savethat.Storage) -> None:
    from savethat._state import RunState

    key = many.find_runs()[0]["run_key"]
    RunState().write(many / key)
    settle(many / key)
    (many / _index.INDEX).unlink()

    assert many.find_runs()[0]["run_state"] == "running"
    assert key not in json.loads((many / _index.INDEX).read_text())["runs"]
