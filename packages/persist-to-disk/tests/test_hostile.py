"""Odd files, folders, users and processes: a call gives its value all the same."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import persist_to_disk as ptd

posix = pytest.mark.skipif(os.name == "nt", reason="the files are of POSIX")

SOURCE = """
    @ptd.persistf(hashsize=1)
    def f(x):
        return 2 * x
"""


def put_fifo(path):
    path.unlink()
    os.mkfifo(path, 0o600)


def put_hole(path):
    os.truncate(path, 1 << 43)


def put_folder(path):
    path.unlink()
    path.mkdir()


@posix
@pytest.mark.parametrize("put", [put_fifo, put_hole, put_folder])
def test_whatever_is_in_a_buckets_place_is_one_warning(load, put):
    module, other = load(SOURCE), load(SOURCE)
    assert module.f(1) == 2
    put(module.f.cache_path(1))

    for f in (module.f, other.f):
        with pytest.warns(ptd.PersistWarning) as warned:
            assert [f(x) for x in (1, 2, 1)] == [2, 4, 2]
        assert len(warned) == 1


@posix
def test_no_bucket_takes_the_place_of_an_output_that_was_closed(python, project):
    (project / "job.py").write_text("""
import os, persist_to_disk as ptd
os.close(1)
os.close(2)

@ptd.persistf(hashsize=1)
def f(x):
    return x

for x in range(3):
    f(x)
for output in (1, 2):
    try:
        os.write(output, b"a message of a library " * 10)
    except OSError:
        pass
assert [f(x) for x in range(3)] == [0, 1, 2] and f.cache_info()[:3] == (3, 3, 3)
""")

    python("job.py")


def test_a_sidecar_that_may_not_be_read_is_one_warning(load, monkeypatch):
    module = load("""
        @ptd.persistf()
        def f(n):
            return bytes(n)
    """)
    module.f(2_000_000)

    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("persist_to_disk._values.open_file", refuse)
    with pytest.warns(ptd.PersistWarning, match="Permission denied"):
        assert module.f(2_000_000) == bytes(2_000_000)


@posix
@pytest.mark.parametrize("name", ["a\u2028b", "a\rb", "a\x1cb", "a\nb", "a\udcffb"], ids=ascii)
def test_a_project_of_any_name_keeps_its_number(name, tmp_path, monkeypatch, cache):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)

    found = [ptd.config.get_project_persist_path() for _ in range(2)]

    assert found == [cache / f"{name}-1"] * 2


def test_a_user_without_a_home_is_one_warning(load, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PERSIST_TO_DISK_HOME")
    monkeypatch.setattr(Path, "home", home)

    with pytest.warns(ptd.PersistWarning, match="Set PERSIST_TO_DISK_HOME") as warned:
        assert [load(SOURCE).f(x) for x in (1, 1)] == [2, 2]
    assert len(warned) == 2  # each is a function of its own


class Refuses(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize("value", [10**5000, Refuses("a")], ids=["long", "refuses"])
def test_a_group_of_a_value_without_a_text_has_a_folder(load, value):
    f = load("""
        @ptd.persistf(groupby=["x"])
        def f(x):
            return len([x])
    """).f

    assert f(value) == f(value) == 1
    assert f.cache_info().hits == 1


@posix
def test_a_command_that_nobody_reads_on_says_nothing(load, python):
    for x in range(3):
        load(SOURCE).f(x)
    command = f"{sys.executable} -m persist_to_disk ls; echo $? >&2"
    script = f"import subprocess; r = subprocess.run({command!r}, shell=True, stdout=W, stderr=-1)"

    out = python("-c", f"import os; R, W = os.pipe(); os.close(R); {script}; print(r.stderr)")

    assert out == "b'1\\n'\n"


@posix
def test_a_listing_escapes_what_is_no_text(load, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "a\udcff\x1b[1m"
    folder.mkdir()
    monkeypatch.chdir(folder)
    load(SOURCE).f(1)

    from persist_to_disk._cli import main

    assert main(["ls"]) == 0
    assert "a\\udcff\\x1b[1m-1" in capsys.readouterr().out
