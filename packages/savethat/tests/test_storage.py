"""Files of the storage, here and remotely; and finding runs by the same rules in both."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import savethat
from savethat._config import Config


def test_paths_and_files(storage: savethat.Storage, tmp_path: Path) -> None:
    assert storage / "a" / "b.csv" == tmp_path / "data_storage" / "a" / "b.csv"
    with storage.open("new/folder/data.csv", "w") as file:
        file.write("één\n")
    with storage.open(storage / "new/folder/data.csv") as file:
        assert file.read() == "één\n"
    with storage.open("new/folder/data.csv", "a") as file:
        file.write("more")
    with storage.open("new/folder/data.csv", "rb") as file:
        assert file.read() == "één\nmore".encode()
    assert [str(p) for p in storage.ls(relative=True, recursive=True)] == [
        str(Path("new")),
        str(Path("new/folder")),
        str(Path("new/folder/data.csv")),
    ]


def test_a_file_that_was_not_written_to_its_end_is_not_there(storage: savethat.Storage) -> None:
    with storage.open("data.csv", "w") as file:
        file.write("old")
    with pytest.raises(RuntimeError), storage.open("data.csv", "w") as file:  # noqa: PT012
        file.write("new")
        raise RuntimeError

    assert (storage / "data.csv").read_text() == "old"
    with pytest.raises(FileExistsError), storage.open("data.csv", "x") as file:
        file.write("new")


def test_without_a_remote_upload_and_download_only_find(storage: savethat.Storage) -> None:
    with storage.open("data/a.csv", "w") as file:
        file.write("1")

    assert storage.upload("data") == str(storage / "data")
    assert storage.download("data") == storage / "data"
    with pytest.raises(savethat.RunNotFound, match="nothing is kept under 'absent'"):
        storage.download("absent")
    with pytest.raises(savethat.RunNotFound):
        storage.upload("absent")


def test_folders_and_single_files_travel(
    synced: savethat.Storage, elsewhere: savethat.Storage
) -> None:
    with synced.open("data/deep/a.csv", "w") as file:
        file.write("1")
    with synced.open("single.csv", "w") as file:
        file.write("2")

    synced.upload("data")
    assert synced.upload("single.csv").endswith("remote/single.csv")

    assert (elsewhere.download("data") / "deep" / "a.csv").read_text() == "1"
    assert elsewhere.download("single.csv").read_text() == "2"
    with elsewhere.open("data/deep/a.csv") as file:
        assert file.read() == "1"
    assert [str(p) for p in elsewhere.remote_ls(recursive=True)] == [
        str(Path("data/deep/a.csv")),
        "single.csv",
    ]
    with pytest.raises(savethat.RunNotFound):
        elsewhere.download("absent")


def test_open_fetches_a_file_that_is_only_remote(
    synced: savethat.Storage, elsewhere: savethat.Storage
) -> None:
    with synced.open("data.csv", "w") as file:
        file.write("1")
    synced.upload("data.csv")

    with elsewhere.open("data.csv") as file:
        assert file.read() == "1"
    with pytest.raises(savethat.RunNotFound), elsewhere.open("absent.csv"):
        pass


@pytest.mark.parametrize("key", ["../outside", "/etc"])
def test_keys_outside_of_the_storage_are_refused(storage: savethat.Storage, key: str) -> None:
    with pytest.raises(ValueError, match="is not below"):
        storage.upload(key)
    with pytest.raises(ValueError, match="is not below"):
        storage.remove(key)
    with pytest.raises(ValueError, match="whole storage"):
        storage.remove("")


def test_a_nodes_name_is_taken_whole(
    storage: savethat.Storage, run_word: Callable[..., str]
) -> None:
    small, big = run_word(storage, "a"), run_word(storage, "b", big=True)

    assert [found["run_key"] for found in storage.find_runs("Word")] == [small]
    assert [found["run_key"] for found in storage.find_runs("WordBig")] == [big]
    assert [found["run_key"] for found in storage.find_runs(small[:12])] == [small]
    assert len(storage.find_runs()) == 2


def test_runs_are_found_by_time_in_utc(
    storage: savethat.Storage, run_word: Callable[..., str]
) -> None:
    keys = [
        run_word(storage, "a", f"Word_2026-0{month}-01T00-00-00_aaaaaa") for month in (1, 2, 3)
    ]
    storage_runs = [
        found["run_key"]
        for found in storage.find_runs(
            after=datetime(2026, 1, 15, tzinfo=UTC),
            before=datetime(2026, 2, 15),  # naive times are UTC
        )
    ]

    assert storage_runs == [keys[1]]
    assert storage.find_runs()[0]["run_date"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_runs_of_released_versions_are_found(storage: savethat.Storage) -> None:
    folder = storage / "FitOLS_2022-05-01T10-00-00"
    folder.mkdir(parents=True)
    (folder / "args.json").write_text('{"target": "price"}')
    (folder / "results.pickle").write_bytes(b"")

    (found,) = storage.find_runs("FitOLS", only_completed=True)

    assert (found["target"], found["run_state"]) == ("price", "completed")


def test_remote_runs_are_found_alike_and_with_their_arguments(
    synced: savethat.Storage, elsewhere: savethat.Storage, run_word: Callable[..., str]
) -> None:
    completed, failed = run_word(synced, "good"), run_word(synced, "fail")
    run_word(synced, "big", big=True)

    here = synced.find_runs("Word")
    there = elsewhere.find_runs("Word")

    assert here == there
    assert {found["run_key"]: found["word"] for found in there} == {
        completed: "good",
        failed: "fail",
    }
    assert [f["run_key"] for f in elsewhere.find_runs("Word", only_failed=True)] == [failed]
    assert elsewhere.find_runs("Word", remote=False) == []
    assert elsewhere.load_results(completed) == "good"


def test_a_file_had_from_a_remote_run_hides_nothing_of_it(
    synced: savethat.Storage, elsewhere: savethat.Storage, run_word: Callable[..., str]
) -> None:
    key = run_word(synced, "good")
    before = elsewhere.find_runs()

    assert elsewhere.load_results(key) == "good"
    assert not (elsewhere / key).exists()
    with elsewhere.open(f"{key}/results.pickle", "rb") as file:
        assert file.read()

    assert elsewhere.find_runs() == before
    assert [str(path) for path, _ in elsewhere.find_run_files()] == [key]


def test_half_of_a_download_is_no_run(
    synced: savethat.Storage,
    elsewhere: savethat.Storage,
    monkeypatch: pytest.MonkeyPatch,
    run_word: Callable[..., str],
) -> None:
    import expcore

    key = run_word(synced, "good")
    remote = elsewhere.remote
    assert remote is not None
    download = type(remote).download

    def some(self: object, name: str, path: Path) -> None:
        if name.endswith("results.pickle"):
            raise expcore.StorageUnavailable(remote.url, "download", "the cable is out")
        download(remote, name, path)

    with monkeypatch.context() as patch:
        patch.setattr(type(remote), "download", some)
        with pytest.raises(expcore.SyncIncomplete):
            elsewhere.download(key)
    assert elsewhere.find_runs(remote=False) == []

    assert elsewhere.download(key) == elsewhere / key
    assert elsewhere.find_runs(remote=False) == synced.find_runs(remote=False)


def test_an_argument_named_as_a_fact_of_the_run_does_not_hide_it(
    storage: savethat.Storage, run_word: Callable[..., str]
) -> None:
    key = run_word(storage, "a")
    (storage / key / "args.json").write_text('{"run_state": "odd", "word": "a"}')

    (found,) = storage.find_runs()

    assert (found["run_state"], found["word"]) == ("completed", "a")


def test_no_password_of_the_remote_is_shown(tmp_path: Path) -> None:
    remote = "sftp://me:hunter2@host/runs"
    storage = savethat.Storage(Config(local_path=tmp_path, remote=remote))

    assert "hunter2" not in repr(storage) + repr(storage.config)
    assert "sftp://host/runs" in repr(storage)


def test_removal_takes_nested_files_here_and_remotely(
    synced: savethat.Storage, elsewhere: savethat.Storage, run_word: Callable[..., str]
) -> None:
    key = run_word(synced, "a")
    with synced.open(f"{key}/deep/er/file", "w") as file:
        file.write("x")
    synced.upload(key)

    synced.remove(key, remote=True)

    assert synced.find_runs() == elsewhere.find_runs() == []
    assert list(synced.remote_ls(recursive=True)) == []
    with pytest.raises(ValueError, match="only the remote copy"):
        synced.remove(key, local=False, remote=True)


@pytest.mark.parametrize("there", ["completed", "running"])
def test_a_state_that_is_broken_here_takes_no_good_run_elsewhere_with_it(
    synced: savethat.Storage, run_word: Callable[..., str], there: str
) -> None:
    key = run_word(synced, "a")
    assert synced.remote is not None
    (synced / key / "results.pickle").unlink()
    (synced / key / "state.json").write_bytes(bytes(100))  # as after a power failure
    if there == "running":
        synced.remote.delete(f"{key}/results.pickle")
        state = json.loads(synced.remote.read(f"{key}/state.json"))
        now = datetime.now(UTC).isoformat()
        state |= {"state": "running", "machine": "elsewhere", "heartbeat": now}
        synced.remote.write(f"{key}/state.json", json.dumps(state).encode())

    with pytest.raises((savethat.BrokenRun, savethat.RunStillRunning)):
        synced.remove(key, remote=True)

    assert synced.remote.exists(f"{key}/state.json")
    synced.remove(key)
    assert not (synced / key).exists()


def test_a_name_that_no_run_has_made_hides_no_run_and_keeps_none_from_removal(
    synced: savethat.Storage, elsewhere: savethat.Storage, run_word: Callable[..., str]
) -> None:
    key = run_word(synced, "a")
    assert synced.remote is not None
    folder = Path(synced.remote.url.removeprefix("file://"))
    (folder / "Word_2026-01-01T00-00-00_aaaaaa").mkdir()
    for odd in (folder / "Word_2026-01-01T00-00-00_aaaaaa" / "aux", folder / key / "a\nb"):
        odd.touch()

    with pytest.warns(savethat.NotSyncedWarning, match="'aux' is a device"):
        assert [run["run_key"] for run in elsewhere.find_runs("Word")] == [key]
    with pytest.warns(savethat.NotSyncedWarning, match="keeps what no run has written"):
        elsewhere.remove(key, remote=True)

    assert [file.name for file in (folder / key).iterdir()] == ["a\nb"]


def test_an_unreachable_remote_loses_nothing(tmp_path: Path, run_word: Callable[..., str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where the remote's folder should be")
    storage = savethat.Storage(Config(local_path=tmp_path / "local", remote=blocked.as_uri()))

    with pytest.warns(savethat.NotSyncedWarning, match="but not uploaded"):
        key = run_word(storage, "a")

    assert storage.load_results(key) == "a"


@pytest.mark.skipif(os.name != "posix", reason="mode bits are POSIX's")
def test_results_that_others_could_have_written_are_not_unpickled(
    storage: savethat.Storage, run_word: Callable[..., str]
) -> None:
    key = run_word(storage, "a")
    (storage / key).chmod(0o777)

    with pytest.raises(savethat.UnsafeFolder, match="can be written to by other users"):
        storage.load_results(key)
    assert storage.load_results(key, trust=True) == "a"
    (storage / key).chmod(0o755)
    assert stat.S_IMODE((storage / key).stat().st_mode) == 0o755
    assert storage.load_results(key) == "a"
