"""What a storage backend must do, as tests that a backend's own tests inherit.

::

    from expcore.testing import StorageContract

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(tmp_path)

The fixture yields an empty storage. Importing this module imports pytest.
"""
# These are tests: their names are claims, and they assert.
# ruff: noqa: D102, PLR2004, S101, TC003

from __future__ import annotations

import io
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from expcore import InvalidKey, KeyExists, KeyNotFound, Prefix, Stat, Storage, digest_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MEBIBYTE = 1 << 20
NOT_KEYS = [
    "", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/./b", "a\0b", "a\\b", "c:a",
    "con", "a/AUX.txt", "nul", "com1", "a.", "a /b", "a\nb", "x" * 1025,
    unicodedata.normalize("NFD", "é"), "\ud800",
]  # fmt: skip


def keys(found: Iterable[Stat | Prefix]) -> list[str]:
    """Return the keys of what a listing yields, prefixes with their slash."""
    return [item.key for item in found]


class StorageContract:
    """The promises of :class:`expcore.Storage`; inherit it and define ``storage``."""

    claims_are_atomic = True
    """Whether of several claims at the same time exactly one succeeds."""

    @pytest.fixture
    def storage(self) -> Storage:
        """Return an empty storage."""
        raise NotImplementedError("define a fixture `storage` that returns an empty storage")

    @pytest.fixture
    def files(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return an empty folder that is not the storage's."""
        return tmp_path_factory.mktemp("files")

    def test_it_is_a_storage(self, storage: Storage) -> None:
        assert isinstance(storage, Storage)
        assert isinstance(storage.url, str)

    def test_what_was_written_is_read(self, storage: Storage) -> None:
        stat = storage.write("a/b.bin", b"\x00\xffvalue")

        assert storage.read("a/b.bin") == b"\x00\xffvalue"
        assert (stat.key, stat.size) == ("a/b.bin", 7)

    def test_a_value_may_be_empty(self, storage: Storage) -> None:
        storage.write("empty", b"")

        assert storage.read("empty") == b""
        assert storage.stat("empty").size == 0

    def test_a_second_write_replaces_the_first(self, storage: Storage) -> None:
        storage.write("k", b"a longer first value")
        storage.write("k", b"second")

        assert storage.read("k") == b"second"
        assert storage.stat("k").size == len(b"second")
        assert keys(storage.list()) == ["k"]

    @pytest.mark.parametrize(
        "key", ["a b+c%20d#e&f=g", "é/ü/日本", ".hidden", "x" * 200, "a/" * 50 + "z"]
    )
    def test_keys_are_kept_as_they_are(self, storage: Storage, key: str) -> None:
        storage.write(key, b"1")

        assert keys(storage.list()) == [key]
        assert storage.read(key) == b"1"
        assert storage.stat(key).key == key

    @pytest.mark.parametrize("key", NOT_KEYS, ids=ascii)
    def test_a_bad_key_is_refused_by_every_method(
        self, storage: Storage, key: str, files: Path
    ) -> None:
        uses: tuple[Callable[[str], object], ...] = (
            storage.read, storage.open_read, storage.stat, storage.exists, storage.delete,
        )  # fmt: skip
        for use in uses:
            with pytest.raises(InvalidKey):
                use(key)
        for put in (storage.write, storage.write_new):
            with pytest.raises(InvalidKey):
                put(key, b"")
        with pytest.raises(InvalidKey):
            storage.download(key, files / "target")

        assert keys(storage.list()) == []
        assert not (files / "target").exists()

    @pytest.mark.parametrize("prefix", ["/", "../", "a/../", "a//b", "\0"])
    def test_a_bad_prefix_is_refused(self, storage: Storage, prefix: str) -> None:
        with pytest.raises(InvalidKey):
            list(storage.list(prefix))

    def test_buffers_streams_and_files_can_be_written(self, storage: Storage, files: Path) -> None:
        (files / "file").write_bytes(b"from a file")
        stream = io.BytesIO(b"--from a stream")
        stream.seek(2)

        storage.write("bytearray", bytearray(b"buffer"))
        storage.write("memoryview", memoryview(b"_buffer")[1:])
        storage.write("stream", stream)
        storage.write("file", files / "file")

        assert storage.read("bytearray") == storage.read("memoryview") == b"buffer"
        assert storage.read("stream") == b"from a stream"
        assert storage.read("file") == b"from a file"

    def test_values_of_several_mebibytes_arrive_whole(self, storage: Storage) -> None:
        data = os.urandom(3 * MEBIBYTE + 1)

        storage.write("large", data)
        storage.write("stream", io.BytesIO(data))

        assert digest_bytes(storage.read("large")) == digest_bytes(data)
        assert digest_bytes(storage.read("stream")) == digest_bytes(data)
        assert storage.stat("stream").size == len(data)

    def test_a_stream_that_fails_writes_nothing(self, storage: Storage) -> None:
        class Failing(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, _buffer: object) -> int:
                raise ZeroDivisionError

        storage.write("k", b"old")
        with pytest.raises(ZeroDivisionError):
            storage.write("k", io.BufferedReader(Failing()))

        assert storage.read("k") == b"old"

    def test_a_range_is_cut_to_what_there_is(self, storage: Storage) -> None:
        storage.write("k", b"0123456789")

        def read(start: int, stop: int | None = None) -> bytes:
            with storage.open_read("k", start, stop) as file:
                return file.read()

        assert read(0) == b"0123456789"
        assert read(3) == b"3456789"
        assert read(3, 5) == b"34"
        assert read(8, 100) == b"89"
        assert read(0, 10) == b"0123456789"
        assert read(5, 5) == read(5, 2) == read(10) == read(99) == read(99, 100) == b""

    def test_a_range_of_an_empty_value_is_empty(self, storage: Storage) -> None:
        storage.write("k", b"")

        with storage.open_read("k", 0, 10) as file:
            assert file.read() == b""

    def test_a_range_does_not_count_from_the_end(self, storage: Storage) -> None:
        storage.write("k", b"0123456789")

        for start, stop in ((-1, None), (0, -1)):
            with pytest.raises(ValueError, match="starts at 0"):
                storage.open_read("k", start, stop)

    def test_an_open_value_is_read_piece_by_piece(self, storage: Storage) -> None:
        storage.write("k", b"0123456789")

        with storage.open_read("k") as file:
            assert file.readable()
            assert [file.read(4), file.read(4), file.read(4), file.read(4)] == [
                b"0123", b"4567", b"89", b"",
            ]  # fmt: skip

    def test_a_missing_key_is_named(self, storage: Storage, files: Path) -> None:
        for use in (storage.read, storage.open_read, storage.stat):
            with pytest.raises(KeyNotFound, match="'a/missing'") as caught:
                use("a/missing")
            assert caught.value.key == "a/missing"
            assert isinstance(caught.value, KeyError)
            assert isinstance(caught.value, FileNotFoundError)
        with pytest.raises(KeyNotFound):
            storage.download("a/missing", files / "target")

        assert not storage.exists("a/missing")
        assert list(files.iterdir()) == []

    def test_the_start_of_a_key_is_no_key(self, storage: Storage) -> None:
        storage.write("a/b", b"1")

        assert not storage.exists("a")
        with pytest.raises(KeyNotFound):
            storage.read("a")
        storage.delete("a")
        assert storage.read("a/b") == b"1"

    def test_below_a_value_there_is_nothing(self, storage: Storage) -> None:
        storage.write("a", b"1")

        assert not storage.exists("a/b")
        assert keys(storage.list("a/")) == []
        storage.delete("a/b")

    def test_a_stat_has_size_and_time(self, storage: Storage) -> None:
        stat = storage.write("k", b"123")
        again = storage.stat("k")

        assert again == Stat("k", 3, again.mtime, again.digest)
        assert stat.size == again.size
        assert again.mtime > 1_500_000_000

    def test_a_digest_in_a_stat_is_that_of_the_bytes(self, storage: Storage) -> None:
        storage.write("k", b"123")

        for stat in (storage.stat("k"), *storage.list()):
            assert isinstance(stat, Stat)
            if stat.digest is not None:
                algorithm = stat.digest.partition(":")[0]
                assert stat.digest == digest_bytes(b"123", algorithm=algorithm)  # type: ignore[arg-type]

    def test_exists(self, storage: Storage) -> None:
        storage.write("k", b"")

        assert storage.exists("k")
        assert not storage.exists("K2")

    def test_deleting_is_done_once_and_can_be_repeated(self, storage: Storage) -> None:
        storage.write("a/b", b"1")
        storage.write("a/c", b"2")

        storage.delete("a/b")
        storage.delete("a/b")

        assert not storage.exists("a/b")
        assert keys(storage.list()) == ["a/c"]

    def test_a_deleted_key_can_be_written_again(self, storage: Storage) -> None:
        storage.write("a/b", b"1")
        storage.delete("a/b")
        storage.write("a/b", b"2")

        assert storage.read("a/b") == b"2"

    def test_what_was_overwritten_does_not_come_back_when_deleted(self, storage: Storage) -> None:
        storage.write("k", b"1")
        storage.write("k", b"2")
        storage.delete("k")

        assert not storage.exists("k")

    def test_a_claim_succeeds_once(self, storage: Storage) -> None:
        assert storage.write_new("k", b"first").size == len(b"first")

        with pytest.raises(KeyExists, match="'k'") as caught:
            storage.write_new("k", b"second")

        assert isinstance(caught.value, FileExistsError)
        assert storage.read("k") == b"first"

    def test_a_claim_can_be_made_again_after_deletion(self, storage: Storage) -> None:
        storage.write_new("k", b"first")
        storage.delete("k")
        storage.write_new("k", b"second")

        assert storage.read("k") == b"second"

    def test_of_many_claims_exactly_one_succeeds(self, storage: Storage) -> None:
        if not self.claims_are_atomic:
            pytest.skip("this storage cannot claim keys atomically")

        def claim(i: int) -> int | None:
            try:
                storage.write_new("k", str(i).encode())
            except KeyExists:
                return None
            return i

        with ThreadPoolExecutor(8) as pool:
            won = [i for i in pool.map(claim, range(16)) if i is not None]

        assert len(won) == 1
        assert storage.read("k") == str(won[0]).encode()

    def test_a_listing_is_sorted_by_key(self, storage: Storage) -> None:
        names = ["b", "a/b", "a-b", "a.b", "a0", "a/a/a", "B", "é", "a/a.a"]
        for name in names:
            storage.write(name, name.encode())

        found = list(storage.list())

        assert keys(found) == sorted(names)
        assert [item.size for item in found if isinstance(item, Stat)] == [
            len(name.encode()) for name in sorted(names)
        ]

    def test_a_prefix_may_end_inside_a_name(self, storage: Storage) -> None:
        for name in ("run-1/a", "run-1/b/c", "run-10/a", "ru", "other"):
            storage.write(name, b"")

        assert keys(storage.list("run-1")) == ["run-1/a", "run-1/b/c", "run-10/a"]
        assert keys(storage.list("run-1/")) == ["run-1/a", "run-1/b/c"]
        assert keys(storage.list("run-1/b")) == ["run-1/b/c"]
        assert keys(storage.list("run-1/a")) == ["run-1/a"]
        assert keys(storage.list("nothing")) == keys(storage.list("run-1/a/")) == []

    def test_a_delimiter_groups_what_is_behind_it(self, storage: Storage) -> None:
        for name in ("a/x", "a/y/z", "a/y/zz", "a.txt", "b/c"):
            storage.write(name, b"")

        assert keys(storage.list(delimiter="/")) == ["a.txt", "a/", "b/"]
        assert keys(storage.list("a/", delimiter="/")) == ["a/x", "a/y/"]
        assert keys(storage.list("a", delimiter="/")) == ["a.txt", "a/"]
        assert keys(storage.list("a/y", delimiter="/")) == ["a/y/"]
        assert list(storage.list("b", delimiter="/")) == [Prefix("b/")]

    def test_an_empty_storage_lists_nothing(self, storage: Storage) -> None:
        assert keys(storage.list()) == keys(storage.list(delimiter="/")) == []

    def test_a_listing_is_an_iterator(self, storage: Storage) -> None:
        storage.write("a", b"")
        storage.write("b", b"")

        found = storage.list()

        assert next(found).key == "a"
        assert next(found).key == "b"
        with pytest.raises(StopIteration):
            next(found)

    def test_files_go_up_and_come_down(self, storage: Storage, files: Path) -> None:
        (files / "source").write_bytes(b"contents")
        storage.upload(files / "source", "a/k")
        (files / "target").write_bytes(b"old contents")

        storage.download("a/k", files / "target")
        storage.download("a/k", str(files / "new"))

        assert (files / "target").read_bytes() == b"contents"
        assert sorted(path.name for path in files.iterdir() if path.is_file()) == [
            "new", "source", "target",
        ]  # fmt: skip
