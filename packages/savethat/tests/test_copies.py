"""Runs of which the copies here and there differ: the newer one counts, and none is lost."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import savethat
from savethat._state import read_state

NodeThat = Callable[..., savethat.Node[Any, Any]]


def test_what_a_killed_run_has_written_here_is_not_replaced_by_what_it_had_uploaded(
    synced: savethat.Storage, node_that: NodeThat
) -> None:
    def do(node: savethat.Node[Any, Any]) -> str:
        node.storage.upload(node.key)
        (node.output_dir / "count.json").write_text("7")
        assert node.storage.download(node.key) == node.output_dir
        assert node.storage.download(f"{node.key}/count.json") == node.output_dir / "count.json"
        return (node.output_dir / "count.json").read_text()

    def start(node: savethat.Node[Any, Any]) -> str:
        (node.output_dir / "count.json").write_text("3")
        return do(node)

    assert node_that(start, on=synced).run() == "7"


def test_a_file_that_is_missing_here_is_downloaded_though_the_run_is_not_over(
    synced: savethat.Storage, node_that: NodeThat
) -> None:
    def do(node: savethat.Node[Any, Any]) -> str:
        file = node.output_dir / "data.csv"
        file.write_text("1,2")
        node.storage.upload(node.key)
        file.unlink()
        return node.storage.download(f"{node.key}/data.csv").read_text()

    assert node_that(do, on=synced).run() == "1,2"


@pytest.mark.skipif(os.name == "nt", reason="no path is that long there")
def test_files_whose_path_is_longer_than_a_name_may_be_are_downloaded(
    synced: savethat.Storage, elsewhere: savethat.Storage, node_that: NodeThat
) -> None:
    node_that(lambda _: 1, on=elsewhere).run()
    key = "/".join(["a folder with quite a long name"] * 9) + "/data.csv"
    for text in ("1,2", "3,4"):
        with synced.open(key, "w") as file:
            file.write(text)
        synced.upload(key)

        assert elsewhere.download(key).read_text() == text


def copy_during(
    node_that: NodeThat,
    here: savethat.Storage,
    there: savethat.Storage,
    then: Callable[[], object],
) -> str:
    """Run a node here that is downloaded there while it goes on; its key."""

    def do(node: savethat.Node[Any, Any]) -> None:
        node.storage.upload(node.key)
        folder = there.download(node.key)
        state = read_state(folder)
        assert state is not None
        # As an hour later, on another machine.
        old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        dataclasses.replace(state, machine="another", heartbeat=old).write(folder)
        then()

    node = node_that(do, on=here)
    node.run()
    return node.key


def test_a_run_that_was_downloaded_while_it_went_on_is_completed_when_it_is(
    synced: savethat.Storage, elsewhere: savethat.Storage, node_that: NodeThat
) -> None:
    key = copy_during(node_that, synced, elsewhere, lambda: None)

    assert [run["run_key"] for run in elsewhere.find_runs(only_completed=True)] == [key]
    assert elsewhere.find_runs(only_failed=True) == []
    assert elsewhere.load_results(key) is None


def test_a_run_that_goes_on_elsewhere_is_not_removed_for_an_old_copy_of_it(
    synced: savethat.Storage, elsewhere: savethat.Storage, node_that: NodeThat, tmp_path: Path
) -> None:
    def remove() -> None:
        (run,) = elsewhere.find_runs(only_failed=True)
        with pytest.raises(savethat.RunStillRunning):
            elsewhere.remove(run["run_key"], remote=True)

    key = copy_during(node_that, synced, elsewhere, remove)

    assert (tmp_path / "remote" / key / "results.pickle").exists()


@pytest.mark.parametrize("key", ["../out", "..", ".", "/elsewhere"])
def test_no_run_is_made_outside_of_the_storage(
    storage: savethat.Storage, node_that: NodeThat, key: str
) -> None:
    with pytest.raises(savethat.NotInStorage):
        node_that(lambda _: None, key=key).run()

    assert not storage.storage_path.exists()


def test_a_key_that_the_remote_would_never_keep_is_refused_before_anything_is_computed(
    synced: savethat.Storage, storage: savethat.Storage, node_that: NodeThat
) -> None:
    with pytest.raises(ValueError, match="':' is not allowed"):
        node_that(pytest.fail, on=synced, key="lr:0.1").run()

    assert node_that(lambda _: 1, on=storage, key="lr:0.1").run() == 1


def test_jobs_that_begin_by_downloading_the_same_run_all_have_it(
    synced: savethat.Storage, elsewhere: savethat.Storage, node_that: NodeThat
) -> None:
    def do(node: savethat.Node[Any, Any]) -> None:
        (node.output_dir / "parts").mkdir()
        for number in range(40):
            (node.output_dir / "parts" / str(number)).write_text("x" * number)

    node = node_that(do, on=synced)
    node.run()

    with ThreadPoolExecutor(6) as pool:
        folders = list(pool.map(elsewhere.download, [node.key] * 6))

    assert set(folders) == {elsewhere / node.key}
    assert len(list((folders[0] / "parts").iterdir())) == 40
    assert list((elsewhere / ".savethat" / "incoming").iterdir()) == []
