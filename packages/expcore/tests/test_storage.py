"""The storages without a network keep the contract, and what is theirs alone."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from expcore import (
    InvalidKey,
    KeyExists,
    KeyNotFound,
    LocalStorage,
    MemoryStorage,
    Storage,
    UnknownSchemeError,
    open_atomic,
    open_storage,
)
from expcore.testing import StorageContract, keys


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> Storage:
        return MemoryStorage()


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return LocalStorage(tmp_path / "store")

    def test_a_key_is_a_path(self, storage: LocalStorage) -> None:
        storage.write("a/b.txt", b"1")

        assert storage.path("a/b.txt").read_bytes() == b"1"
        assert storage.path("a/b.txt") == storage.folder / "a" / "b.txt"

    def test_a_value_cannot_be_a_folder_too(self, storage: LocalStorage) -> None:
        storage.write("a/b", b"1")
        storage.write("c", b"1")

        for key in ("a", "c/d"):
            for put in (storage.write, storage.write_new):
                with pytest.raises((InvalidKey, FileExistsError)):
                    put(key, b"2")

        assert keys(storage.list()) == ["a/b", "c"]

    def test_a_folder_is_no_value_to_store(self, storage: LocalStorage, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()

        with pytest.raises(OSError, match="folder"):
            storage.upload(tmp_path / "folder", "k")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
    def test_a_pipe_is_not_waited_for(self, storage: LocalStorage) -> None:
        storage.write("a", b"1")
        os.mkfifo(storage.folder / "pipe")

        with pytest.raises(KeyNotFound):
            storage.read("pipe")

    def test_what_killed_writers_left_is_discarded(self, storage: LocalStorage) -> None:
        storage.write("a/b/c", b"1")
        left = storage.folder / "a" / "b" / ".c.0123456789abcdef.tmp"
        left.write_bytes(b"half")
        with open_atomic(storage.folder / "a" / "d") as file:
            storage.discard_uploads("a/")
            file.write(b"whole")

        assert not left.exists()
        assert keys(storage.list()) == ["a/b/c", "a/d"]

    def test_folders_that_become_empty_are_removed(self, storage: LocalStorage) -> None:
        storage.write("a/b/c", b"1")
        storage.write("a/d", b"1")
        storage.delete("a/b/c")
        storage.delete("a/d")

        assert list(storage.folder.iterdir()) == []

    def test_a_part_too_long_for_a_file_name_is_refused(self, storage: LocalStorage) -> None:
        with pytest.raises(InvalidKey, match="longer than 255 bytes"):
            storage.write("é" * 200, b"")

    def test_what_killed_writers_left_is_unseen_and_swept(self, storage: LocalStorage) -> None:
        storage.write("a/b", b"1")
        dead = storage.folder / "a" / ".b.0123456789abcdef.tmp"
        dead.write_bytes(b"part")

        assert keys(storage.list()) == ["a/b"]
        LocalStorage(storage.folder).write("a/c", b"2")
        assert not dead.exists()

    def test_an_open_value_survives_its_replacement(self, storage: LocalStorage) -> None:
        storage.write("k", b"old value")
        with storage.open_read("k") as file:
            storage.write("k", b"new")

            assert file.read() == b"old value"

    def test_a_range_can_be_sought_in(self, storage: LocalStorage) -> None:
        storage.write("k", b"0123456789")
        with storage.open_read("k", 2, 6) as file:
            file.seek(1)
            assert file.read() == b"345"
            file.seek(-1, os.SEEK_END)
            assert file.read() == b"5"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
    def test_what_is_no_file_is_not_listed(self, storage: LocalStorage) -> None:
        storage.write("k", b"1")
        os.mkfifo(storage.folder / "pipe")
        (storage.folder / "nowhere").symlink_to("missing")

        assert keys(storage.list()) == ["k"]

    def test_a_claim_without_links_leaves_nothing_to_be_listed(
        self, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_links(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
        storage.write_new("k", b"1")
        with pytest.raises(KeyExists):
            storage.write_new("k", b"2")

        assert keys(storage.list()) == ["k"]

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
    def test_links_to_folders_are_not_listed(self, storage: LocalStorage, tmp_path: Path) -> None:
        storage.write("a/b", b"1")
        (storage.folder / "loop").symlink_to(storage.folder)
        (storage.folder / "file").symlink_to(storage.folder / "a" / "b")
        (storage.folder / "gone").symlink_to("nowhere")

        assert keys(storage.list()) == ["a/b", "file"]
        assert keys(storage.list(delimiter="/")) == ["a/", "file"]

    def test_a_name_that_cannot_be_a_key_is_refused_in_a_listing(
        self, storage: LocalStorage
    ) -> None:
        """At its end, so that it hides no other."""
        for key in ("a", "d/e", "f"):
            storage.write(key, b"")
        (storage.folder / "b\nc").write_bytes(b"")
        (storage.folder / "d" / "aux").write_bytes(b"")

        for delimiter, expected in ((None, ["a", "d/e", "f"]), ("/", ["a", "d/", "f"])):
            found: list[str] = []
            with pytest.raises(InvalidKey, match="not allowed in file names"):
                found.extend(item.key for item in storage.list(delimiter=delimiter))
            assert found == expected

    def test_empty_folders_are_no_prefixes(self, storage: LocalStorage) -> None:
        (storage.folder / "empty").mkdir(parents=True)

        assert keys(storage.list(delimiter="/")) == []

    def test_nothing_is_made_before_the_first_write(self, storage: LocalStorage) -> None:
        with pytest.raises(KeyNotFound):
            storage.read("a")
        list(storage.list())

        assert not storage.folder.exists()

    def test_only_a_slash_delimits(self, storage: LocalStorage) -> None:
        with pytest.raises(ValueError, match="delimited by '/'"):
            storage.list(delimiter="-")

    def test_it_pickles(self, storage: LocalStorage) -> None:
        storage.write("k", b"1")

        assert pickle.loads(pickle.dumps(storage)).read("k") == b"1"


def test_a_path_or_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    LocalStorage(folder).write("k", b"1")

    for name in (folder, str(folder), folder.as_uri(), LocalStorage(folder).url):
        assert open_storage(name).read("k") == b"1"


@pytest.mark.parametrize("url", ["file:///tmp/a#b", "file:///tmp/a?b"])
def test_a_url_that_would_lose_its_end_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="%23"):
        open_storage(url)


def test_a_url_with_a_host_is_no_folder() -> None:
    with pytest.raises(ValueError, match="names the host 'server'"):
        open_storage("file://server/share")


@pytest.mark.parametrize(
    "url", ["file://me:secret@host/x", "file:///x?token=secret", "file:///x#secret"]
)
def test_a_refused_url_is_shown_without_credentials(url: str) -> None:
    with pytest.raises(ValueError, match=r"file:///x|the host 'host'") as caught:
        open_storage(url)

    assert "secret" not in str(caught.value)


def test_an_unknown_scheme_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(UnknownSchemeError, match=r"'gopher://host/x'; known schemes are .*memory"):
        open_storage("gopher://me:secret@host/x?token=secret")


def test_other_packages_add_schemes(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "thirdparty-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[expcore.storage]\nshelf = thirdparty:open_shelf\n")
    (site / "thirdparty.py").write_text(
        "from expcore import MemoryStorage\n"
        "def open_shelf(url):\n    storage = MemoryStorage()\n    storage.url = url\n"
        "    return storage\n"
    )
    code = "from expcore import open_storage; print(open_storage('shelf://a/b').url)"
    import expcore

    path = os.pathsep.join([str(site), str(Path(expcore.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )

    assert done.stdout == "shelf://a/b\n", done.stderr
