"""A file that is written atomically holds the old bytes or the new."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from expcore import open_atomic, staged, sweep, write_file, write_stages
from expcore._folders import make_folders
from expcore._stages import BLOCK_BYTES, STAGE_BYTES

posix = pytest.mark.skipif(os.name == "nt", reason="modes and links are POSIX's")
LARGE = 2 * STAGE_BYTES + 3 * BLOCK_BYTES + 17


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def claim_while_another_writes(path: Path) -> None:
    with open_atomic(path, overwrite=False) as file:
        file.write(b"slow")
        path.write_bytes(b"fast")


def test_written_bytes_can_be_read(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"new")

    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, STAGE_BYTES - 1, STAGE_BYTES, LARGE])
@pytest.mark.parametrize("offset", [0, 1])
def test_buffers_of_any_size_and_place_arrive_whole(
    tmp_path: Path, size: int, offset: int
) -> None:
    data = memoryview(os.urandom(size + offset))[offset:]
    told: list[int] = []

    write_file(tmp_path / "a", data, progress=told.append)

    assert (tmp_path / "a").read_bytes() == data
    assert sum(told) == size


@pytest.mark.parametrize("piece", [1000, BLOCK_BYTES, STAGE_BYTES, STAGE_BYTES + 5])
def test_pieces_are_joined(tmp_path: Path, piece: int) -> None:
    data = os.urandom(LARGE)

    write_file(tmp_path / "a", (data[i : i + piece] for i in range(0, len(data), piece)))

    assert (tmp_path / "a").read_bytes() == data


def test_arrays_of_wide_items_are_written_as_bytes(tmp_path: Path) -> None:
    write_file(tmp_path / "a", memoryview(bytes(range(16))).cast("I", (2, 2)))

    assert (tmp_path / "a").read_bytes() == bytes(range(16))


def test_a_buffer_with_gaps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="make it contiguous"):
        write_file(tmp_path / "a", memoryview(b"abcdef")[::2])

    assert names(tmp_path) == []


def test_what_has_no_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot write str"):
        write_file(tmp_path / "a", ["text"])  # type: ignore[list-item]

    assert names(tmp_path) == []


def test_a_block_that_raises_leaves_the_old_value(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")

    def interrupted() -> None:
        with open_atomic(tmp_path / "a") as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_the_file_is_real_and_seekable(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "a") as file:
        file.write(b"hello world")
        file.seek(0)
        assert file.read(5) == b"hello"
        assert isinstance(file.fileno(), int)

    assert (tmp_path / "a").read_bytes() == b"hello world"


def test_the_block_may_close_the_file(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "a") as file:
        file.write(b"closed")
        file.close()

    assert (tmp_path / "a").read_bytes() == b"closed"


def test_a_claim_comes_second(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"first", overwrite=False)

    with pytest.raises(FileExistsError):
        write_file(tmp_path / "a", b"second", overwrite=False)

    assert (tmp_path / "a").read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


def test_a_claim_loses_to_a_file_that_appears_while_it_writes(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        claim_while_another_writes(tmp_path / "a")

    assert (tmp_path / "a").read_bytes() == b"fast"
    assert names(tmp_path) == ["a"]


def test_claims_work_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_file(tmp_path / "a", b"first", overwrite=False)

    with pytest.raises(FileExistsError):
        claim_while_another_writes(tmp_path / "b")

    assert (tmp_path / "a").read_bytes() == b"first"
    assert (tmp_path / "b").read_bytes() == b"fast"


@posix
def test_mode_bits_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "a", b"")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@posix
def test_a_symbolic_link_is_replaced_unless_following_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")

    write_file(tmp_path / "link", b"1", follow_symlinks=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"1"

    write_file(tmp_path / "link", b"2")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"1"


def test_no_parents_are_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_file(tmp_path / "missing" / "a", b"")

    assert caught.value.filename == str(tmp_path / "missing" / "a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(FileExistsError, match="no file takes its place"):
        write_file(pipe, b"new")

    assert [*tmp_path.iterdir()] == [pipe]
    assert pipe.is_fifo()


def test_a_folder_that_cannot_be_read_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written must not be followed by an error that says it was not."""
    real = os.open

    def refusing(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if path == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr("os.open", refusing)

    write_file(tmp_path / "a", b"1")

    assert (tmp_path / "a").read_bytes() == b"1"


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    name = "é" * 127

    write_file(tmp_path / name, b"x")

    assert names(tmp_path) == [name]


def test_sweep_takes_what_killed_writers_left_and_nothing_else(tmp_path: Path) -> None:
    dead = tmp_path / ".a.0123456789abcdef.tmp"
    dead.write_bytes(b"part")
    os.utime(dead, (0, 0))  # on Windows it has to be a minute old
    (tmp_path / ".a.tmp").write_bytes(b"someone's")

    with open_atomic(tmp_path / "b") as file:
        assert sweep(tmp_path) == [dead]
        file.write(b"alive")

    assert names(tmp_path) == [".a.tmp", "b"]
    assert (tmp_path / "b").read_bytes() == b"alive"


def test_sweeping_a_folder_that_is_not_there_removes_nothing(tmp_path: Path) -> None:
    assert sweep(tmp_path / "missing") == []


def test_folders_are_made_and_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    make_folders(tmp_path / "a" / "b")
    make_folders(tmp_path / "a" / "b")
    (tmp_path / "file").touch()

    with pytest.raises(NotADirectoryError, match="file"):
        make_folders(tmp_path / "file" / "c")


@pytest.mark.skipif(sys.platform != "linux", reason="direct writes are Linux's")
def test_writes_that_cannot_be_direct_are_buffered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from expcore import _stages

    def refuse(*_: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(_stages.fcntl, "fcntl", refuse)
    data = os.urandom(LARGE)
    monkeypatch.setattr(_stages.fcntl, "fcntl", lambda *a: 0 if a[1] == 3 else refuse())

    write_file(tmp_path / "a", data)

    assert (tmp_path / "a").read_bytes() == data


@pytest.mark.parametrize("size", [0, LARGE - 1, LARGE + 1, 3 * LARGE])
@pytest.mark.parametrize("length", [0, 5, LARGE])
def test_a_file_written_in_stages_is_as_long_as_what_was_written(
    tmp_path: Path, size: int, length: int
) -> None:
    data = os.urandom(length)
    with open_atomic(tmp_path / "a") as file:
        with staged(file, size=size) as stages:
            stages.write(data[:3])
            stages.write(data[3:])
        file.seek(0)
        file.write(b"HEAD")

    assert (tmp_path / "a").read_bytes() == b"HEAD" + data[4:]


def test_after_an_error_in_stages_the_old_file_is_there(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")

    def write() -> None:
        with open_atomic(tmp_path / "a") as file, staged(file) as stages:
            stages.write(os.urandom(LARGE))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()

    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_computed_stages_come_in_order(tmp_path: Path) -> None:
    told: list[int] = []

    def fill(buffer: memoryview, begin: int) -> int:
        buffer[:] = bytes([begin // STAGE_BYTES]) * len(buffer)
        return begin

    with open_atomic(tmp_path / "a") as file:
        begins = write_stages(file, LARGE, fill, progress=told.append)

    assert begins == list(range(0, LARGE, STAGE_BYTES))
    assert sum(told) == LARGE
    data = (tmp_path / "a").read_bytes()
    assert [data.count(bytes([i])) for i in range(3)] == told


def test_a_stage_that_cannot_be_computed_ends_the_write(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_atomic(tmp_path / "a") as file:
        write_stages(file, LARGE, lambda _, begin: begin // 0)

    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="what is written is counted by another call")
def test_a_short_last_stage_may_be_written_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Direct writes are agreed on before any thread writes, and then no length may be odd."""
    from expcore import _stages

    monkeypatch.setattr(_stages, "STAGE_BYTES", 4 * BLOCK_BYTES)
    size = 9 * BLOCK_BYTES + 17
    last_is_begun, first_is_begun = threading.Event(), threading.Event()
    real = os.pwrite

    def pwrite(descriptor: int, view: memoryview, offset: int) -> int:
        if offset >= 8 * BLOCK_BYTES and len(view) >= BLOCK_BYTES:
            last_is_begun.set()
            assert first_is_begun.wait(10)
        else:
            first_is_begun.set()
        return real(descriptor, view, offset)

    class Waiting(_stages.StageWriter):
        def write(self, stage: memoryview, length: int, offset: int) -> int:
            assert length < 4 * BLOCK_BYTES or last_is_begun.wait(10)
            return super().write(stage, length, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(_stages, "StageWriter", Waiting)

    with open_atomic(tmp_path / "a") as file:
        write_stages(file, size, lambda *_: None)

    assert (tmp_path / "a").stat().st_size == size


def test_what_follows_the_stages_is_written_behind_them(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "a") as file:
        with staged(file, size=2 * LARGE) as stages:
            stages.write(bytes(LARGE))
        file.write(b"end")

    assert (tmp_path / "a").read_bytes() == bytes(LARGE) + b"end"


def test_large_files_are_written_while_python_exits(tmp_path: Path) -> None:
    """Nobody can begin a thread then."""
    code = (
        "import atexit, sys; from expcore import write_file\n"
        "import concurrent.futures.thread\n"
        "atexit.register(lambda: write_file(sys.argv[1], bytes(20 << 20)))"
    )

    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True, timeout=60)

    assert (tmp_path / "a").stat().st_size == 20 << 20
