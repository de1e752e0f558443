"""A folder and a prefix become the same, and nothing else is touched."""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from expcore import (
    IntegrityError,
    InvalidKey,
    LocalStorage,
    MemoryStorage,
    Stat,
    Storage,
    StorageUnavailable,
    SyncIncomplete,
    sync_down,
    sync_up,
)
from expcore._digest_cache import DigestCache, cache_folder
from expcore.testing import keys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"aaa")
    (root / "sub" / "b.bin").write_bytes(b"bb")
    (root / "sub" / "deep" / "é").write_bytes(b"")
    return root


@pytest.fixture(params=["memory", "local", "without digests"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "store")
    return MemoryStorage() if request.param == "memory" else WithoutDigests()


class WithoutDigests(MemoryStorage):
    """Like most clouds."""

    def stat(self, key: str) -> Stat:
        found = super().stat(key)
        return Stat(found.key, found.size, found.mtime)

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Any:
        for found in super().list(prefix, delimiter=delimiter):
            yield Stat(found.key, found.size, found.mtime)  # type: ignore[union-attr]


NAMES = ("a.txt", "sub/b.bin", "sub/deep/é")


def test_a_folder_goes_up_and_comes_down(folder: Path, storage: Storage, tmp_path: Path) -> None:
    up = sync_up(folder, storage, "runs/1")
    down = sync_down(storage, "runs/1/", tmp_path / "back")

    assert keys(storage.list()) == [f"runs/1/{name}" for name in NAMES]
    assert up.sent == down.sent == NAMES
    assert up.bytes_sent == down.bytes_sent == 5
    for name in NAMES:
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()


def test_what_is_the_same_is_not_sent_again(folder: Path, storage: Storage) -> None:
    sync_up(folder, storage, "p")

    again = sync_up(folder, storage, "p")
    down = sync_down(storage, "p", folder)

    assert (again.sent, again.same) == ((), NAMES)
    if not isinstance(storage, WithoutDigests):
        assert (down.sent, down.same) == ((), NAMES)


def test_a_change_of_the_same_size_is_sent(folder: Path, storage: Storage) -> None:
    sync_up(folder, storage, "p")
    (folder / "a.txt").write_bytes(b"AAA")
    os.utime(folder / "a.txt", (4e9, 4e9))

    report = sync_up(folder, storage, "p")

    assert report.sent == ("a.txt",)
    assert storage.read("p/a.txt") == b"AAA"


def test_nothing_is_deleted_unless_asked(folder: Path, storage: Storage) -> None:
    storage.write("p/extra", b"")
    storage.write("pq", b"")

    assert sync_up(folder, storage, "p").deleted == ()
    assert storage.exists("p/extra")
    assert sync_up(folder, storage, "p", delete=True).deleted == ("extra",)
    assert not storage.exists("p/extra")
    assert storage.exists("pq")


def test_files_are_deleted_below_the_folder_only_when_asked(
    folder: Path, storage: Storage
) -> None:
    sync_up(folder, storage, "p")
    (folder / "extra").write_bytes(b"")

    assert sync_down(storage, "p", folder).deleted == ()
    assert (folder / "extra").exists()
    assert sync_down(storage, "p", folder, delete=True).deleted == ("extra",)
    assert not (folder / "extra").exists()


def test_a_filter_leaves_things_alone(folder: Path, storage: Storage) -> None:
    storage.write("p/keep.tmp", b"")

    report = sync_up(
        folder, storage, "p", include=lambda key: not key.endswith((".bin", ".tmp")), delete=True
    )

    assert report.sent == ("a.txt", "sub/deep/é")
    assert storage.exists("p/keep.tmp")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_left_out_and_never_written_through(
    folder: Path, storage: Storage, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(outside)
    (folder / "file").symlink_to(outside / "secret")

    assert sync_up(folder, storage, "p").sent == NAMES

    target = tmp_path / "target"
    target.mkdir()
    (target / "sub").symlink_to(outside)
    (target / "a.txt").symlink_to(outside / "secret")
    with pytest.raises(SyncIncomplete, match="is a symbolic link") as caught:
        sync_down(storage, "p", target)

    assert set(caught.value.failed) == {"sub/b.bin", "sub/deep/é"}
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert (target / "a.txt").read_bytes() == b"aaa"


def test_what_is_being_written_is_not_sent(folder: Path, storage: Storage) -> None:
    (folder / ".a.txt.0123456789abcdef.tmp").write_bytes(b"part")

    assert sync_up(folder, storage, "p").sent == NAMES


def test_a_name_that_cannot_be_a_key_stops_it_before_anything_is_sent(
    folder: Path, storage: Storage
) -> None:
    (folder / "what?").write_bytes(b"")

    with pytest.raises(InvalidKey):
        sync_up(folder, storage, "p")

    assert keys(storage.list()) == []


class Hostile(MemoryStorage):
    def list(self, prefix: str = "", *, delimiter: str | None = None) -> Any:
        yield Stat(f"{prefix}../../evil", 4, 0.0)


def test_a_name_that_takes_no_part_may_be_any(folder: Path, storage: Storage) -> None:
    (folder / "trailing.").write_bytes(b"1")

    assert sync_up(folder, storage, include=lambda key: key == "a.txt").sent == ("a.txt",)


def test_what_killed_downloads_left_is_removed(
    folder: Path, storage: Storage, tmp_path: Path
) -> None:
    (folder / "sub" / "c").write_bytes(b"c")
    sync_up(folder, storage)
    left = tmp_path / "copy" / "sub" / ".b.bin.0123456789abcdef.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"b")

    sync_down(storage, "", tmp_path / "copy", include=lambda key: key != "sub/b.bin")
    assert left.exists()  # a download of it can go on

    sync_down(storage, "", tmp_path / "copy")
    assert not left.exists()


def test_a_hostile_listing_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidKey):
        sync_down(Hostile(), "p", tmp_path / "target")

    assert list(tmp_path.rglob("*evil*")) == []


class Failing(MemoryStorage):
    def upload(self, path: Any, key: str, **options: Any) -> Stat:
        if key.endswith("a.txt"):
            raise StorageUnavailable("memory:", "write", "busy")
        return super().upload(path, key, **options)


def test_one_failure_does_not_stop_the_others_and_is_reported(folder: Path) -> None:
    storage = Failing()
    storage.write("p/extra", b"")

    with pytest.raises(SyncIncomplete, match=r"1 files were not transferred, try again: a\.txt"):
        sync_up(folder, storage, "p", delete=True)

    assert keys(storage.list()) == ["p/extra", "p/sub/b.bin", "p/sub/deep/é"]


def test_the_failure_pickles_with_its_report(folder: Path) -> None:
    with pytest.raises(SyncIncomplete) as caught:
        sync_up(folder, Failing(), "p")

    again = pickle.loads(pickle.dumps(caught.value))

    assert str(again) == str(caught.value)
    assert again.report == caught.value.report


class Growing(MemoryStorage):
    """A file is appended to while it is being read, the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def upload(self, path: Any, key: str, **options: Any) -> Stat:
        stat = super().upload(path, key, **options)
        if key.endswith("a.txt") and self.times:
            self.times -= 1
            with Path(path).open("ab") as file:
                file.write(b"+")
        return stat


def test_a_file_that_changes_while_it_is_read_is_sent_again(folder: Path) -> None:
    storage = Growing(1)

    sync_up(folder, storage, "p")

    assert storage.read("p/a.txt") == b"aaa+"


def test_a_file_that_keeps_changing_is_reported(folder: Path) -> None:
    with pytest.raises(SyncIncomplete, match="kept changing while it was read") as caught:
        sync_up(folder, Growing(99), "p")

    assert isinstance(caught.value.failed["a.txt"], IntegrityError)


def test_progress_adds_up_to_what_was_sent(folder: Path, storage: Storage) -> None:
    told: list[int] = []

    report = sync_up(folder, storage, "p", progress=told.append)

    assert sum(told) == report.bytes_sent == 5


def test_a_missing_folder_sends_nothing(tmp_path: Path, storage: Storage) -> None:
    assert sync_up(tmp_path / "missing", storage, "p").sent == ()


def test_a_missing_folder_deletes_nothing(tmp_path: Path, storage: Storage) -> None:
    """A misspelt name is not an empty folder."""
    storage.write("p/a", b"1")

    with pytest.raises(NotADirectoryError, match="no such folder"):
        sync_up(tmp_path / "missing", storage, "p", delete=True)

    assert keys(storage.list()) == ["p/a"]


@pytest.mark.skipif(sys.platform == "darwin", reason="there the two names are one")
def test_names_that_differ_only_in_their_unicode_form(folder: Path, storage: Storage) -> None:
    (folder / "e\u0301").write_bytes(b"decomposed")
    storage.write("p/a.txt", b"aaa")

    sync_down(storage, "p", folder, delete=True)

    assert [path.name for path in folder.iterdir() if path.is_file()] == ["a.txt"]

    (folder / "e\u0301").write_bytes(b"decomposed")
    (folder / "\u00e9").write_bytes(b"composed")
    with pytest.raises(InvalidKey, match="two files have this name"):
        sync_up(folder, storage, "q")


def test_digests_are_remembered_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from expcore import _digest_cache

    reads: list[Path] = []
    real = _digest_cache.digest_file
    monkeypatch.setattr(
        _digest_cache, "digest_file", lambda path, **k: (reads.append(path), real(path, **k))[1]
    )
    monkeypatch.setattr(_digest_cache, "SETTLED_NS", -(10**12))
    file = tmp_path / "a"
    file.write_bytes(b"1")

    def digest() -> str:
        with closing(DigestCache(tmp_path / "cache.sqlite")) as cache:
            return cache.digest(file, "sha256")

    first = digest()
    assert digest() == first
    assert len(reads) == 1
    file.write_bytes(b"22")
    assert digest() != first


def test_fresh_files_are_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    times = file.stat().st_mtime
    with closing(DigestCache(tmp_path / "cache.sqlite")) as cache:
        before = cache.digest(file, "sha256")
        file.write_bytes(b"2")
        os.utime(file, (times, times))

        assert cache.digest(file, "sha256") != before


def test_a_broken_cache_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"not a database" * 100)
    (tmp_path / "a").write_bytes(b"1")

    with closing(DigestCache(tmp_path / "cache.sqlite")) as cache:
        assert cache.digest(tmp_path / "a", "md5").startswith("md5:")


def test_the_cache_is_in_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache_folder() == tmp_path / "expcore"
