"""Large results, and disks that do not work."""

from __future__ import annotations

import errno
import os
import struct
import sys
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import pytest

import persist_to_disk as ptd
from persist_to_disk import _store, _values

GOLDEN = Path(__file__).parent / "golden"
LARGE = """
    calls = 0
    @ptd.persistf()
    def f(x, size=2 << 20):
        global calls
        calls += 1
        return bytes([x]) * size
"""


@pytest.fixture
def sidecars(cache):
    """All sidecars."""
    return lambda: [path for path in cache.rglob("*.d/*") if path.is_file()]


@contextmanager
def no_file_over(limit):
    """Let no file grow beyond a size: what a full disk does, for one process."""
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_large_result_has_a_file_of_its_own(load, sidecars):
    module = load(LARGE)

    assert module.f(1) == module.f(1) == b"\1" * (2 << 20)
    assert module.calls == 1
    assert len(sidecars()) == 1
    assert module.f.cache_path(1).stat().st_size < 300
    assert module.f.cache_info().size_bytes > 2 << 20


def test_a_large_result_is_read_without_a_second_copy(load):
    module = load(LARGE)
    module.f(1)

    tracemalloc.start()
    module.f(1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 3 << 20


def test_a_small_result_has_none(load, sidecars):
    load(LARGE).f(1, 1 << 19)

    assert sidecars() == []


@pytest.mark.parametrize(("speed", "shown"), [(5_000_000, False), (1_000_000, True)])
def test_progress_is_shown_of_a_write_that_takes_more_than_a_second(
    tmp_path, monkeypatch, speed, shown
):
    clock, bars, seen = 0.0, [], []

    @contextmanager
    def progress_bar(label, total):
        bars.append((label, total))
        yield seen.append

    def write_file(path, parts, progress):
        nonlocal clock
        path.write_bytes(b"".join(parts))
        for _ in range(8):
            clock += 250_000 / speed
            progress(250_000)

    monkeypatch.setattr(_values, "progress_bar", progress_bar)
    monkeypatch.setattr(_values, "write_file", write_file)
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    _values.write_sidecar(tmp_path / "x", [bytes(2_000_000)], trust=False)

    assert seen == ([500_000] + [250_000] * 6 if shown else [])
    assert bars == ([("keeping a result", 2_000_000)] if shown else [])


def test_replacing_a_large_result_removes_the_old_one(load, sidecars):
    module = load(LARGE)
    module.f(1)
    (old,) = sidecars()
    module.f(1, cache_switch="recache")

    (new,) = sidecars()
    assert new != old
    module.f.clear()
    assert sidecars() == []


def test_arrays_come_back_mapped_writable_and_unshared(load):
    np = pytest.importorskip("numpy")
    module = load("""
        import numpy as np
        @ptd.persistf()
        def f():
            read_only = np.ones(300_000)
            read_only.setflags(write=False)
            return {"a": np.arange(400_000.0).reshape(2, -1), "r": read_only, "e": np.empty(0)}
    """)
    module.f()

    found = module.f()
    assert found["a"].shape == (2, 200_000)
    found["a"][:] = -1
    assert not found["r"].flags.writeable
    again = module.f()["a"]
    assert again[1, 5] == 200_005
    assert not np.shares_memory(found["a"], again)


def test_the_sidecar_format_is_as_it_was_in_version_1():
    parts = _values._sidecar(b"the pickle", [memoryview(b"a" * 70), memoryview(b"bcd")])

    assert b"".join(parts) == (GOLDEN / "sidecar-v1").read_bytes()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_sidecar_is_computed_again_with_a_warning(load, sidecars, damage):
    module = load(LARGE)
    module.f(1)
    (path,) = sidecars()
    data = bytearray(path.read_bytes())
    data[1 << 20] ^= 1
    path.unlink()
    if damage != "remove":
        path.write_bytes(data if damage == "flip" else data[:-5])

    with pytest.warns(ptd.PersistWarning, match="cannot read a stored result back"):
        assert module.f(1) == b"\1" * (2 << 20)
    assert module.calls == 2
    assert module.f(1) == b"\1" * (2 << 20)
    assert module.calls == 2


def test_a_result_whose_class_is_gone_is_computed_again_with_a_warning(load):
    module = load("""
        class Result:
            pass
        @ptd.persistf()
        def f():
            return Result()
    """)
    module.f()
    del module.Result
    module.Result = type("Result", (), {"__module__": module.__name__, "__qualname__": "Result"})
    module.f()
    old, module.Result = module.Result, lambda: old()
    with pytest.warns(ptd.PersistWarning):
        assert isinstance(module.f(), old)


def test_a_result_that_cannot_be_pickled_is_returned_with_one_warning(load):
    module = load("""
        import threading
        @ptd.persistf()
        def f(x):
            return threading.Lock()
    """)

    with pytest.warns(ptd.PersistWarning, match="module_1.f cannot keep a result") as caught:
        results = [module.f(x) for x in (1, 2)]
    assert all(results)
    assert len(caught) == 1


@pytest.mark.parametrize("size", [1000, 3 << 20])
def test_on_a_full_disk_the_call_returns_its_value_with_one_warning(load, size):
    module = load(LARGE)
    module.f(1, 10)
    module.f(2, 10)
    limit = module.f.cache_path(1, 10).stat().st_size + (80 if size == 1000 else 2 << 20)

    with (
        pytest.warns(ptd.PersistWarning, match="cannot keep a result") as caught,
        no_file_over(limit),
    ):
        results = [module.f(x, size) for x in (3, 4)]
    assert results == [b"\3" * size, b"\4" * size]
    assert len(caught) == 1
    assert module.f.cache_info().entries == 2
    assert module.f(1, 10) == b"\1" * 10
    assert module.calls == 4
    module.f(3, size)
    assert module.f.cache_info().entries == 3


def test_without_the_right_to_write_hits_are_served(load, monkeypatch):
    module = load(LARGE)
    module.f(1, 10)
    folder = module.f.cache_path(1, 10).parent
    for lock in (*folder.glob(".lock"), *folder.glob(".locks/*")):
        lock.unlink()
    real_open = os.open

    def open_to_read(path, flags, *args, **options):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return real_open(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", open_to_read)
    assert module.f(1, 10) == b"\1" * 10
    assert module.calls == 1
    with pytest.warns(ptd.PersistWarning, match="Read-only file system") as caught:
        assert module.f(2, 10) == b"\2" * 10
    assert len(caught) == 1


def test_a_home_that_cannot_be_made_costs_a_warning_only(load, home):
    home.write_text("in the way")
    module = load(LARGE)

    with pytest.warns(ptd.PersistWarning, match="has no folder"):
        assert module.f(1, 10) == b"\1" * 10
    assert home.read_text() == "in the way"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_a_folder_that_others_may_write_to_is_refused(load, cache, mode):
    module = load(LARGE)
    module.f(1, 10)
    folder = cache / "project-1/module"
    folder.chmod(mode)

    again = load(LARGE)
    with pytest.raises(ptd.UnsafePathError) as caught:
        again.f(1, 10)
    assert isinstance(caught.value, PermissionError)
    for part in (str(folder), f"(mode {mode:04o})", "chmod go-w", "trust=True"):
        assert part in str(caught.value)
    trusting = load(LARGE.replace("persistf()", "persistf(trust=True)"))
    assert trusting.f(1, 10)
    assert trusting.calls == 0


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_a_folder_like_tmp_may_hold_the_cache(load, cache):
    cache.mkdir(parents=True)
    cache.chmod(0o1777)
    module = load(LARGE)

    assert module.f(1, 10) == module.f(1, 10)
    assert module.f.cache_path(1, 10).parents[2].stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_a_file_that_others_may_write_to_is_refused(load):
    module = load(LARGE)
    module.f(1, 10)
    module.f.cache_path(1, 10).chmod(0o666)

    with pytest.raises(ptd.UnsafePathError, match="can be written by everyone"):
        load(LARGE).f(1, 10)


@pytest.mark.skipif(
    getattr(os, "getuid", lambda: 1)() != 0, reason="only root can give files away"
)
def test_a_file_of_another_user_is_refused(load):
    if os.name == "nt":
        pytest.skip("modes and owners say nothing there")
    module = load(LARGE)
    module.f(1, 10)
    os.chown(module.f.cache_path(1, 10), 1234, 1234)

    with pytest.raises(ptd.UnsafePathError, match=r"belongs to another user \(uid 1234\)"):
        load(LARGE).f(1, 10)


def test_max_bytes_removes_what_was_used_least_recently(load, sidecars, monkeypatch):
    module = load(LARGE.replace("persistf()", "persistf(max_bytes=8 << 20)"))
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now)
    for x in (1, 2, 3):
        module.f(x)
        now += 10**12
    module.f(1)
    now += 10**12
    module.f(4)

    assert [module.f.is_cached(x) for x in (1, 2, 3, 4)] == [True, False, True, True]
    assert len(sidecars()) == 3
    assert module.f(3) == b"\3" * (2 << 20)
    for x in range(100, 200):
        now += 10**12
        module.f(x, 1000)
    assert module.f.cache_info().size_bytes <= 8 << 20
    assert load(LARGE).f.is_cached(4)


def test_a_bucket_that_is_mostly_replaced_entries_shrinks(load):
    module = load("""
        @ptd.persistf(hashsize=1)
        def f(x):
            return bytes(500_000)
    """)
    module.f(1)
    for _ in range(9):
        module.f(2, cache_switch="recache")

    assert module.f.cache_path(1).stat().st_size < 2_500_000
    assert module.f(1) == module.f(2) == bytes(500_000)
    assert module.f.cache_info().entries == 2


def test_errors_survive_pickling():
    import pickle

    errors = [
        ptd.ConfigError("hashsize", 0, "more"),
        ptd.UnkeyableArgumentError("f", "x", "a lock"),
        ptd.UnkeyableFunctionError("f", "a lock"),
        ptd.UnsafePathError(Path("x"), 0o777, "can be written by everyone", "run `chmod`"),
        ptd.NotCachedError("f", Path("x")),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_clear_leaves_the_sidecar_of_an_entry_that_is_on_its_way(load, sidecars, monkeypatch):
    f = load("""
        @ptd.persistf(hashsize=1)
        def f(x):
            return bytes([x]) * (2 << 20)
    """).f
    f(1)
    append = _store.Store._append

    def clear_first(*arguments):
        f.clear()  # as another process may, with the sidecar written and the entry not yet
        return append(*arguments)

    monkeypatch.setattr(_store.Store, "_append", clear_first)
    f(2)
    monkeypatch.undo()

    assert len(sidecars()) == 1
    assert f(2) == bytes([2]) * (2 << 20)
    assert f.cache_info()[:3] == (1, 0, 1)


def test_clear_leaves_the_sidecar_of_an_entry_written_meanwhile(load, sidecars, monkeypatch):
    f = load("""
        @ptd.persistf(hashsize=1)
        def f(x):
            return bytes([x]) * (2 << 20)
    """).f
    f(1)
    remove = _store.Store.remove_sidecar

    def call_first(*arguments):
        monkeypatch.undo()
        f(2)  # as another process may, with the bucket removed and its sidecars not yet
        for path in sidecars():
            remove(arguments[0], path)

    monkeypatch.setattr(_store.Store, "remove_sidecar", call_first)
    f.clear()

    assert len(sidecars()) == 1
    assert f(2) == bytes([2]) * (2 << 20)


def test_a_sidecar_reference_names_only_files_beside_it(tmp_path):
    payload = struct.pack("<Q16s", 1, b"") + b"../../etc/passwd"

    assert _values.sidecar_path(payload, tmp_path) == tmp_path / "passwd"
