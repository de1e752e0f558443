"""What macOS and Windows want done otherwise, seen from where the tests run."""

from __future__ import annotations

import os
import stat
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from expcore import InvalidKey, LocalStorage, open_atomic, printable, sweep, write_file
from expcore.testing import keys

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.skipif(sys.platform == "win32", reason="there fsync does it")
def test_on_macos_bytes_and_names_are_brought_further_than_to_the_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    asked: list[bool] = []

    def ask(descriptor: int, command: int) -> int:
        assert command == "F_FULLFSYNC"
        asked.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        return 0

    monkeypatch.setattr("expcore._flush.sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", "F_FULLFSYNC", raising=False)
    monkeypatch.setattr(fcntl, "fcntl", ask)
    write_file(tmp_path / "a", b"1")

    assert asked == [False, True]


@pytest.mark.skipif(sys.platform == "win32", reason="there fsync does it")
def test_where_macos_cannot_fsync_is_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(descriptor: int, command: int) -> int:
        raise OSError(45, "Operation not supported")

    synced: list[int] = []
    monkeypatch.setattr("expcore._flush.sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(os, "fsync", synced.append)
    write_file(tmp_path / "a", b"1")

    assert len(synced) == 2


class _Windows:
    name = "nt"

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers and sweepers do what they do on Windows."""
    for module in ("_atomic", "_replace", "_temporary"):
        monkeypatch.setattr(f"expcore.{module}.os", _Windows())


@pytest.mark.usefixtures("windows")
def test_a_file_that_is_open_for_a_moment_is_replaced_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, refusals = Path.replace, [PermissionError(13, "used by another process")] * 3

    def refuse(self: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    write_file(tmp_path / "a", b"1")

    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.usefixtures("windows")
def test_a_file_that_stays_open_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "used by another process")

    write_file(tmp_path / "a", b"1")
    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr("expcore._replace.PAUSES_S", (0.0,))
    with pytest.raises(PermissionError, match="used by another process"):
        write_file(tmp_path / "a", b"2")

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.usefixtures("windows")
def test_a_file_that_is_closed_to_be_renamed_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, swept = Path.replace, []

    def sweep_first(self: Path, target: Path) -> Path:
        swept.extend(sweep(tmp_path))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", sweep_first)
    with open_atomic(tmp_path / "a") as file:
        file.write(b"1")
        file.flush()
        os.utime(file.name, (0, 0))  # the last write was long ago

    assert (swept, (tmp_path / "a").read_bytes()) == ([], b"1")


@pytest.mark.usefixtures("windows")
def test_what_nobody_renames_for_a_minute_is_swept(tmp_path: Path) -> None:
    left = tmp_path / ".a.0123456789abcdef.tmp"
    left.touch()
    assert sweep(tmp_path) == []

    os.utime(left, (0, 0))
    assert sweep(tmp_path) == [left]


@pytest.mark.usefixtures("windows")
def test_the_start_of_other_keys_is_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Access is denied")

    storage = LocalStorage(tmp_path)
    storage.write("a/b", b"1")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InvalidKey, match="part of others"):
        storage.write("a", b"2")


def test_a_key_is_listed_as_it_is_where_the_system_decomposes_its_name(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.write(f"{COMPOSED}/{COMPOSED}", b"1")
    folder = tmp_path / COMPOSED
    if not (folder / DECOMPOSED).exists():
        (folder / DECOMPOSED).hardlink_to(folder / COMPOSED)  # as if they were one name

    assert keys(storage.list()) == [f"{COMPOSED}/{COMPOSED}"]


def test_a_file_whose_name_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / DECOMPOSED).write_bytes(b"1")

    if (tmp_path / COMPOSED).exists():  # macOS
        assert keys(LocalStorage(tmp_path).list()) == [COMPOSED]
    else:
        with pytest.raises(InvalidKey, match="NFC"):
            list(LocalStorage(tmp_path).list())


def test_text_that_the_output_has_no_characters_for_is_written_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As into a pipe on Windows."""
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), encoding="cp1252"))

    assert printable("café 日本") == "café \\u65e5\\u672c"
