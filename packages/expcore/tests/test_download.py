"""Large values come in parts, and what an interrupted download fetched is not fetched again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import pytest

from expcore import (
    IntegrityError,
    MemoryStorage,
    Retry,
    RetryingStorage,
    StorageUnavailable,
    _download,
    _storage,
    sweep,
)

SIZE = 10_123
COUNT = 11
DATA = os.urandom(SIZE)


class Counting(MemoryStorage):
    """Counts what is read, and fails when so much was."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.fails_at: set[int] = set()
        self._count_lock = Lock()

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
        with self._count_lock:
            self.count += 1
            if self.count in self.fails_at:
                raise StorageUnavailable(self.url, "read", "gone")
        return super().open_read(key, start, stop)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "PART_BYTES", 1000)
    monkeypatch.setattr(_download, "COPY_BYTES", 300)
    monkeypatch.setattr(_storage, "LARGE_BYTES", 2000)


@pytest.fixture
def storage() -> Counting:
    storage = Counting()
    storage.write("k", DATA)
    return storage


def test_the_parts_make_up_the_value(storage: Counting, tmp_path: Path) -> None:
    told: list[int] = []

    storage.download("k", tmp_path / "v", progress=told.append)

    assert (tmp_path / "v").read_bytes() == DATA
    assert storage.count == COUNT
    assert sum(told) == SIZE
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


@pytest.mark.parametrize("at", [1, 4, 11])
@pytest.mark.skipif(sys.platform == "win32", reason="no locks on files there")
def test_what_arrived_is_not_fetched_again(storage: Counting, tmp_path: Path, at: int) -> None:
    (tmp_path / "v").write_bytes(b"old")
    storage.fails_at = {at}
    with pytest.raises(StorageUnavailable):
        storage.download("k", tmp_path / "v")
    assert (tmp_path / "v").read_bytes() == b"old"
    before = storage.count
    told: list[int] = []

    storage.download("k", tmp_path / "v", progress=told.append)

    assert storage.count - before == COUNT - (before - 1)
    assert sum(told) == SIZE
    assert (tmp_path / "v").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_a_retry_goes_on_and_tells_of_no_byte_twice(storage: Counting, tmp_path: Path) -> None:
    storage.fails_at = {2, 5, 9}
    told: list[int] = []

    patient = RetryingStorage(storage, Retry(first_wait_s=0))
    patient.download("k", tmp_path / "v", progress=told.append)

    assert (tmp_path / "v").read_bytes() == DATA
    assert sum(told) == SIZE
    assert storage.count == COUNT + 3


def test_another_value_does_not_go_on_with_the_old_one(storage: Counting, tmp_path: Path) -> None:
    storage.fails_at = {6}
    with pytest.raises(StorageUnavailable):
        storage.download("k", tmp_path / "v")
    storage.write("k", DATA[::-1])

    storage.download("k", tmp_path / "v")

    assert (tmp_path / "v").read_bytes() == DATA[::-1]
    assert len(sweep(tmp_path)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on files there")
def test_damage_in_what_arrived_earlier_is_found_and_fetched_again(
    storage: Counting, tmp_path: Path
) -> None:
    storage.fails_at = {6}
    with pytest.raises(StorageUnavailable):
        storage.download("k", tmp_path / "v")
    (left,) = tmp_path.iterdir()
    left.write_bytes(b"?" + left.read_bytes()[1:SIZE] + b"\1" * COUNT)

    with pytest.raises(IntegrityError, match="arrived of sha256"):
        storage.download("k", tmp_path / "v")
    assert not (tmp_path / "v").exists()
    storage.download("k", tmp_path / "v")

    assert (tmp_path / "v").read_bytes() == DATA


@pytest.mark.parametrize("length", [0, 5, SIZE, SIZE + COUNT - 1, 3 * SIZE])
def test_leftovers_of_any_length_do_no_harm(
    storage: Counting, tmp_path: Path, length: int
) -> None:
    storage.fails_at = {1}
    with pytest.raises(StorageUnavailable):
        storage.download("k", tmp_path / "v")
    (left,) = tmp_path.iterdir()
    left.write_bytes((DATA * 3)[:length])
    before = storage.count

    storage.download("k", tmp_path / "v")

    assert (tmp_path / "v").read_bytes() == DATA
    if length < SIZE:
        assert storage.count - before == COUNT


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on files there")
def test_a_live_download_is_left_alone(storage: Counting, tmp_path: Path) -> None:
    """Another process that fetches the same keeps its file; this one makes its own."""
    storage.fails_at = {6}
    with pytest.raises(StorageUnavailable):
        storage.download("k", tmp_path / "v")
    (left,) = tmp_path.iterdir()
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+b'); "
        "fcntl.flock(file, fcntl.LOCK_EX); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(left)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        before = left.read_bytes()

        storage.download("k", tmp_path / "v")

        assert left.read_bytes() == before
        other.communicate()
    assert (tmp_path / "v").read_bytes() == DATA


def test_a_value_cut_short_is_no_value(storage: Counting, tmp_path: Path) -> None:
    class Short(Counting):
        def open_read(self, key: str, start: int = 0, stop: int | None = None) -> BinaryIO:
            return super().open_read(key, start, None if stop is None else stop - (start == 2000))

    short = Short()
    short.write("k", DATA)

    with pytest.raises(IntegrityError, match="999 bytes arrived of the 1000 from 2000 on"):
        short.download("k", tmp_path / "v")

    assert not (tmp_path / "v").exists()
