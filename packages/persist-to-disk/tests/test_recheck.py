"""A hit that does not look at the disk each time, if so set."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

import persist_to_disk as ptd
from persist_to_disk import _open_files

SOURCE = """
    value = 0
    @ptd.persistf()
    def f(x):
        return x, value
"""


@pytest.fixture(autouse=True)
def no_open_files():
    """Those of other tests do not count."""
    for path in list(_open_files._open):
        _open_files.close(path)


@pytest.fixture
def counted(monkeypatch):
    """How often a bucket was looked at."""
    looks = []
    stat = os.stat

    def look(path, *args, **kwargs):
        if str(path).endswith(".pkl") or path in descriptors():
            looks.append(path)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", look)
    return looks


def test_by_default_each_hit_looks_at_the_file(counted, load):
    module = load(SOURCE)
    assert module.f(1) == module.f(1) == (1, 0)
    del counted[:]
    assert [module.f(1) for _ in range(5)] == [(1, 0)] * 5
    assert len(counted) == 5


def test_with_an_interval_hits_within_it_do_not(counted, load):
    ptd.config.set_recheck_interval(60)
    module = load(SOURCE)
    assert module.f(1) == module.f(1) == (1, 0)
    del counted[:]
    assert [module.f(1) for _ in range(5)] == [(1, 0)] * 5
    assert counted == []


def test_a_folder_that_is_removed_or_moved_is_noticed(load, cache):
    module = load(SOURCE)
    folder = cache / "project-1/module/f"
    assert module.f(1) == module.f(1) == (1, 0)

    shutil.rmtree(folder)
    module.value = 1
    assert module.f(1) == module.f(1) == (1, 1)
    folder.rename(cache / "aside")
    module.value = 2
    assert module.f(1, cache_switch="recache") == module.f(1) == (1, 2)
    for number in (3, 4):  # one folder replaced by another, under the eyes of this process
        assert module.f(1) == module.f(1)
        shutil.rmtree(folder)
        shutil.copytree(cache / "aside", folder)
        assert module.f(1) == module.f(1) == (1, 1)
        module.value = number
        assert module.f(1, cache_switch="recache") == module.f(1) == (1, number)


open_files = pytest.mark.skipif(os.name == "nt", reason="files are not kept open there")


def descriptors():
    return [file.descriptor for file in _open_files._open.values()]


@open_files
@pytest.mark.skipif(sys.platform != "linux", reason="files are kept open there alone")
def test_a_descriptor_that_stands_for_another_file_costs_no_result_and_is_not_closed(
    load, tmp_path
):
    module = load(SOURCE.replace("persistf()", "persistf(hashsize=1)"))
    assert [module.f(x) for x in (1, 2, 1, 2)] == [(1, 0), (2, 0)] * 2

    (descriptor,) = descriptors()
    other = os.open(tmp_path, os.O_RDONLY)
    os.dup2(other, descriptor)
    assert [module.f(x) for x in (1, 2, 1)] == [(1, 0), (2, 0), (1, 0)]
    assert os.path.samestat(os.fstat(descriptor), os.fstat(other))  # not ours to close
    os.close(descriptor)
    os.close(other)
    (descriptor,) = descriptors()
    os.close(descriptor)
    assert [module.f(x) for x in (1, 2, 1)] == [(1, 0), (2, 0), (1, 0)]
    assert module.f.cache_info().misses == 2


@open_files
@pytest.mark.skipif(sys.platform != "linux", reason="files are kept open there alone")
def test_no_entry_is_written_to_what_took_the_descriptor_of_a_bucket(load, tmp_path):
    module = load(SOURCE.replace("persistf()", "persistf(hashsize=1)"))
    assert module.f(1) == module.f(1) == (1, 0)

    (descriptor,) = descriptors()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.write(other, b"something else")
    os.dup2(other, descriptor)
    assert module.f(2) == module.f(2) == (2, 0)

    assert (tmp_path / "other").read_bytes() == b"something else"
    assert module.f.cache_info().entries == 2
    os.close(descriptor)
    os.close(other)


@open_files
@pytest.mark.skipif(sys.platform != "linux", reason="files are kept open there alone")
def test_a_bucket_that_is_removed_is_noticed_though_it_is_open(load):
    module = load(SOURCE)
    assert module.f(1) == module.f(1) == (1, 0)
    assert len(descriptors()) == 1

    module.f.cache_path(1).unlink()
    module.value = 1
    assert module.f(1) == module.f(1) == (1, 1)
    assert len(descriptors()) == 1


@open_files
@pytest.mark.skipif(sys.platform != "linux", reason="files are kept open there alone")
def test_as_many_files_are_open_as_a_quarter_of_what_the_process_may_open(load, monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (12, 12))
    _open_files._most_open.cache_clear()
    try:
        module = load(SOURCE)
        for _ in range(2):
            assert [module.f(x) for x in range(20)] == [(x, 0) for x in range(20)]
        assert len(descriptors()) == 3
    finally:
        _open_files._most_open.cache_clear()


@open_files
@pytest.mark.skipif(sys.platform != "linux", reason="files are kept open there alone")
def test_files_kept_open_give_way_where_the_process_may_open_no_more(load, monkeypatch):
    import resource

    module = load("""
        import asyncio
        @ptd.persistf()
        def f(x):
            return x
        @ptd.persistf()
        async def g(x):
            await asyncio.sleep(0)
            return x
        async def together():
            return await asyncio.gather(*[g(x) for x in range(100)])  # a lock for each
    """)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/dev/fd").iterdir()))
    monkeypatch.setattr(_open_files, "_most_open", lambda: 90)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 130, limits[1]))
        assert [module.f(x) for x in range(100)] == list(range(100))
        assert len(descriptors()) > 70
        assert module.asyncio.run(module.together()) == list(range(100))
        assert [module.f(x) for x in range(100)] == list(range(100))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@open_files
@pytest.mark.skipif(sys.platform != "linux", reason="files are kept open there alone")
def test_a_file_that_grows_large_is_not_kept_open(load, monkeypatch):
    monkeypatch.setattr(_open_files, "LARGEST_BYTES", 4000)
    module = load(SOURCE.replace("persistf()", "persistf(hashsize=1)"))
    for x in range(100):
        assert module.f(x) == module.f(x) == (x, 0)
        assert len(descriptors()) == (module.f.cache_path(0).stat().st_size <= 4000)
    assert descriptors() == []


@open_files
def test_without_a_free_descriptor_a_hit_looks_the_path_up(load, monkeypatch):
    module = load(SOURCE)
    monkeypatch.setattr(_open_files, "_most_open", lambda: 0)
    assert module.f(1) == module.f(1) == module.f(1) == (1, 0)
    module.f.cache_path(1).unlink()
    module.value = 1
    assert module.f(1) == (1, 1)


def test_when_a_known_result_is_gone_a_function_that_raises_is_called_once(load):
    module = load("""
        calls = []
        @ptd.persistf()
        def f(x):
            calls.append(x)
            if len(calls) > 1:
                raise ValueError(x)
            return x
    """)
    assert module.f(1) == module.f(1) == 1
    os.truncate(module.f.cache_path(1), 64)  # nothing but the header

    with pytest.raises(ValueError, match="1"):
        module.f(1)
    assert module.calls == [1, 1]


def test_what_this_process_replaces_or_clears_is_seen_at_once(load):
    ptd.config.set_recheck_interval(60)
    module = load(SOURCE)
    assert module.f(1) == module.f(1) == (1, 0)
    module.value = 1
    assert module.f(1, cache_switch="recache") == (1, 1)
    assert module.f(1) == (1, 1)
    module.f.clear()
    module.value = 2
    assert module.f(1) == (1, 2)


@pytest.mark.parametrize("seconds", [-1, 61, "soon", float("nan")])
def test_an_interval_that_cannot_be_meant_is_refused(seconds):
    with pytest.raises(ptd.ConfigError, match="seconds from 0 to 60"):
        ptd.config.set_recheck_interval(seconds)


def test_the_interval_may_stand_in_the_settings_file(home):
    home.mkdir()
    (home / "config.ini").write_text("[global_settings]\nrecheck_interval = 0.001\n")
    assert ptd.config.get_recheck_interval() == 0.001
