"""Keys are found, missed, deleted, and claimed by one only."""
# These are tests: their names are claims, and they assert.
# ruff: noqa: PLR2004, S101

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from expcore import KeyExists, KeyNotFound, Stat, Storage, digest_bytes
from expcore._contract import StorageTests, keys

if TYPE_CHECKING:
    from pathlib import Path


class KeyTests(StorageTests):
    """Keys are found, missed, deleted, and claimed by one only."""

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
