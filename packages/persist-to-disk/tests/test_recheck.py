"""A hit that does not look at the disk each time, if so set."""

from __future__ import annotations

import os
import shutil

import pytest

import persist_to_disk as ptd
from persist_to_disk import _folders

SOURCE = """
    value = 0
    @ptd.persistf()
    def f(x):
        return x, value
"""


@pytest.fixture(autouse=True)
def no_open_folders():
    """Those of other tests do not count."""
    for folder in list(_folders._open):
        _folders.forget(folder)


@pytest.fixture
def counted(monkeypatch):
    """How often a bucket was looked at."""
    looks = []
    stat = os.stat

    def look(path, *args, **kwargs):
        if str(path).endswith(".pkl"):
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


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be opened there")
def test_a_descriptor_that_stands_for_another_folder_costs_no_result(load, tmp_path):
    module = load(SOURCE)
    assert [module.f(x) for x in (1, 2, 1, 2)] == [(1, 0), (2, 0)] * 2

    (descriptor,) = set(_folders._open.values())
    other = os.open(tmp_path, os.O_RDONLY)
    os.dup2(other, descriptor)
    assert [module.f(x) for x in (1, 2, 1)] == [(1, 0), (2, 0), (1, 0)]
    os.close(other)
    (descriptor,) = set(_folders._open.values())
    os.close(descriptor)
    assert [module.f(x) for x in (1, 2, 1)] == [(1, 0), (2, 0), (1, 0)]
    assert module.f.cache_info().misses == 2


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
