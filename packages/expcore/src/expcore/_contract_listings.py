"""Listings are sorted, lazy and complete; files go up and come down."""
# These are tests: their names are claims, and they assert.
# ruff: noqa: S101

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from expcore import Prefix, Stat, Storage
from expcore._contract import StorageTests, keys

if TYPE_CHECKING:
    from pathlib import Path


class ListingTests(StorageTests):
    """Listings are sorted, lazy and complete; files go up and come down."""

    def test_a_listing_is_sorted_by_key(self, storage: Storage) -> None:
        names = ["b", "a/b", "a-b", "a.b", "a0", "a/a/a", "C", "é", "a/a.a"]
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
