"""Results that several machines share by way of a storage."""

from __future__ import annotations

import os

import pytest

import persist_to_disk as ptd
from expcore import LocalStorage, MemoryStorage
from persist_to_disk import _remote

SOURCE = """
    calls = 0
    value = 0
    @ptd.persistf()
    def f(x):
        global calls
        calls += 1
        return x, value
    @ptd.persistf(groupby=["x"], cache_exceptions=ValueError)
    def refuse(x):
        global calls
        calls += 1
        raise ValueError(x)
    @ptd.persistf()
    def large(x):
        global calls
        calls += 1
        return bytes([x]) * (3 << 20)
    @ptd.persistf()
    async def g(x):
        global calls
        calls += 1
        return x
    @ptd.persistf(ttl=3600)
    def h(x):
        return value
"""


@pytest.fixture
def shared(tmp_path):
    """The folder of a storage that all machines reach."""
    return tmp_path / "shared"


@pytest.fixture
def machine(tmp_path, shared, monkeypatch, load):
    """Go on at another machine: it has a home of its own, and a new process."""

    def machine(name, url=None):
        monkeypatch.setenv("PERSIST_TO_DISK_HOME", str(tmp_path / name))
        ptd.config.set_persist_path(url or shared.as_uri())
        return load(SOURCE)

    yield machine
    ptd.wait_for_uploads()


def objects(shared):
    return [stat.key for stat in LocalStorage(shared).list()]


def test_what_one_machine_computed_hits_on_another(machine, shared):
    one = machine("one")
    assert one.f(1) == (1, 0)
    assert one.large(7) == bytes([7]) * (3 << 20)
    with pytest.raises(ValueError, match="2"):
        one.refuse(2)
    ptd.wait_for_uploads()
    assert len(objects(shared)) == 3
    assert {key.rpartition("/")[0] for key in objects(shared)} == {
        "project/module/f", "project/module/large", "project/module/refuse/2"
    }  # fmt: skip

    two = machine("two")
    assert two.f(1) == two.f(1) == (1, 0)
    assert two.large(7) == bytes([7]) * (3 << 20)
    with pytest.raises(ValueError, match="2"):
        two.refuse(2)
    assert two.calls == 0
    assert two.f.cache_info()[:3] == (2, 0, 1)


def test_a_coroutine_function_shares_too(machine):
    import asyncio

    assert asyncio.run(machine("one").g(1)) == 1
    ptd.wait_for_uploads()
    two = machine("two")
    assert asyncio.run(two.g(1)) == 1
    assert two.calls == 0


def test_the_local_tree_answers_without_the_storage(machine, shared):
    machine("one").f(1)
    ptd.wait_for_uploads()
    machine("two").f(1)
    for path in sorted(shared.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    again = machine("two")
    assert again.f(1) == (1, 0)
    assert again.calls == 0


def test_each_key_is_looked_up_once(machine, shared, monkeypatch):
    asked = []
    read = LocalStorage.read
    monkeypatch.setattr(
        LocalStorage, "read", lambda self, key: asked.append(key) or read(self, key)
    )
    one = machine("one")
    for _ in range(3):
        assert not one.f.is_cached(1)
        with pytest.raises(ptd.NotCachedError):
            one.f(1, cache_switch="readonly")
    one.f(1)
    one.f(1)
    assert len(asked) == 1


def test_of_two_machines_that_race_both_end_with_the_value_that_came_first(machine):
    machine("one").f(1)
    ptd.wait_for_uploads()
    two = machine("two")
    two.value = 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_remote.Remote, "fetch", lambda self, name: None)  # it was not there yet
        assert two.f(1) == (1, 2)
    ptd.wait_for_uploads()
    assert two.f(1) == (1, 0)
    assert {machine(name).f(1) for name in ("one", "two", "three")} == {(1, 0)}


def test_recache_replaces_what_is_shared(machine):
    one = machine("one")
    one.f(1)
    one.value = 1
    assert one.f(1, cache_switch="recache") == (1, 1)
    ptd.wait_for_uploads()
    assert machine("two").f(1) == (1, 1)


def test_what_is_too_old_is_replaced(machine, monkeypatch):
    one = machine("one")
    assert one.h(1) == 0
    ptd.wait_for_uploads()
    import time

    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3601 * 10**9)
    two = machine("two")
    two.value = 2
    assert two.h(1) == 2
    ptd.wait_for_uploads()
    assert machine("three").h(1) == 2


def test_clear_deletes_what_is_shared(machine, shared):
    one = machine("one")
    one.f(1)
    one.f.clear()
    assert objects(shared) == []
    assert not one.f.is_cached(1)


def test_a_storage_that_cannot_be_reached_costs_one_warning(machine, monkeypatch):
    def fail(*args, **kwargs):
        raise ConnectionError("no route")

    for method in ("read", "write_new"):
        monkeypatch.setattr(LocalStorage, method, fail)
    one = machine("one")
    with pytest.warns(ptd.PersistWarning, match="no route") as warned:
        assert [one.f(x) for x in (1, 2, 1)] == [(1, 0), (2, 0), (1, 0)]
    assert len(warned) == 1
    assert one.calls == 2


def test_damage_in_the_storage_is_computed_over(machine, shared):
    one = machine("one")
    one.f(1)
    one.large(1)
    ptd.wait_for_uploads()
    for key in objects(shared):
        path = shared / key
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(data)

    two = machine("two")
    assert two.f(1) == (1, 0)
    assert two.large(1) == bytes([1]) * (3 << 20)
    assert two.calls == 2
    ptd.wait_for_uploads()
    three = machine("three")
    assert three.f(1) == (1, 0)
    assert three.large(1) == bytes([1]) * (3 << 20)
    assert three.calls == 0


def test_the_object_of_another_call_is_computed_over(machine, shared):
    one = machine("one")
    one.f(1)
    one.f(2)
    ptd.wait_for_uploads()
    first, second = (shared / key for key in objects(shared))
    first.write_bytes(second.read_bytes())

    two = machine("two")
    assert (two.f(1), two.f(2), two.calls) == ((1, 0), (2, 0), 1)


def test_a_storage_in_memory_lasts_as_long_as_the_process(machine):
    _remote._open.cache_clear()
    machine("one", "memory:").f(1)
    ptd.wait_for_uploads()
    assert isinstance(_remote._open("memory:"), MemoryStorage)
    two = machine("two", "memory:")
    assert two.f(1) == (1, 0)
    assert two.calls == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the script forks")
def test_a_forked_process_uploads_what_it_computed(python, project, shared, home):
    (project / "job.py").write_text(f"""
import multiprocessing
import persist_to_disk as ptd
ptd.config.set_persist_path({shared.as_uri()!r})

@ptd.persistf()
def f(x):
    return x

if __name__ == "__main__":
    f(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(f, range(1, 5))
        pool.close()
        pool.join()
""")
    python("job.py")
    assert len(objects(shared)) == 5


def test_the_settings_tell_the_url_and_the_local_tree(home):
    local = ptd.config.set_persist_path("s3://bucket/results")
    assert ptd.config.get_persist_url() == "s3://bucket/results"
    assert local == ptd.config.get_persist_path()
    assert local.parent == home / "remote"
    ptd.config.set_persist_path("cache")
    assert ptd.config.get_persist_url() is None
