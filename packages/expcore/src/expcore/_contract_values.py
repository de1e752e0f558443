"""Values are read as they were written, whole and in ranges."""
# These are tests: their names are claims, and they assert.
# ruff: noqa: S101

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from expcore import InvalidKey, Storage, digest_bytes
from expcore._contract import MEBIBYTE, NOT_KEYS, StorageTests, keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class ValueTests(StorageTests):
    """Values are read as they were written, whole and in ranges."""

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

    def test_what_has_no_bytes_is_refused(self, storage: Storage) -> None:
        """Of a number, ``bytes`` makes so many zeros."""
        for data in (5, "text", None):
            with pytest.raises(TypeError):
                storage.write("k", data)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

        assert not storage.exists("k")

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
