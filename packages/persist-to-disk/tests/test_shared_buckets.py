"""What other processes add to, replace in, and remove from a bucket that this process knows."""

from __future__ import annotations

import os

import pytest

from persist_to_disk import _view

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="another process is forked")

SOURCE = """
    value = 0
    calls = []
    @ptd.persistf(hashsize=1)
    def f(x, **kwargs):
        calls.append(x)
        return x, value
"""


@pytest.fixture
def elsewhere():
    """Call a function in another process, which knows what this one knows."""

    def elsewhere(function, *args, **kwargs):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                function(*args, **kwargs)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0

    return elsewhere


@pytest.mark.parametrize("size", [1, _view.MOST_UNREAD_BYTES])
def test_what_others_added_is_found_whenever_it_is_asked_for(load, elsewhere, size):
    module = load(SOURCE)
    assert module.f("mine") == ("mine", 0)
    keys = [f"{number}" * size for number in range(5)]
    for key in keys:
        elsewhere(module.f, key)
        assert module.f(key + "!") == (key + "!", 0)  # looks, and puts the other off
    assert module.f("mine") == ("mine", 0)
    del module.calls[:]

    for key in [*reversed(keys), "mine", *keys]:
        assert module.f(key) == (key, 0)
    assert module.calls == []
    assert module.f.cache_info().entries == 11


def test_what_others_replaced_is_seen_at_the_next_call_though_the_file_only_grew(load, elsewhere):
    module = load(SOURCE)
    path = module.f.cache_path(1)
    for number in range(1, 20):
        assert module.f(1) == module.f(1)
        size = path.stat().st_size
        module.value = number
        elsewhere(module.f, number * 1000)
        elsewhere(module.f, 1, cache_switch="recache")
        elsewhere(module.f, number * 1000 + 1)
        assert path.stat().st_size > size
        module.value = -1
        assert module.f(1) == (1, number)
    assert module.calls == [1]


def test_what_others_replaced_after_an_entry_that_was_put_off_counts(load, elsewhere):
    module = load(SOURCE)
    assert module.f(1) == (1, 0)
    elsewhere(module.f, 2)
    assert module.f(3) == (3, 0)  # the entry of 2 is put off
    module.value = 5
    elsewhere(module.f, 2, cache_switch="recache")
    module.value = -1
    assert module.f(2) == module.f(2) == (2, 5)


def test_a_key_that_stands_in_the_result_of_another_call_is_no_hit(load, elsewhere, tmp_path):
    module = load("""
        from pathlib import Path
        @ptd.persistf(hashsize=1)
        def f(x):
            return x.read_bytes() if isinstance(x, Path) else x
    """)
    assert module.f(1) == 1
    memo = module.f.cache_info.__self__
    keys = [memo._where((number,)).key for number in range(1000, 1100)]
    (tmp_path / "keys").write_bytes(b"".join(key + bytes(key[0] % 9) for key in keys))
    elsewhere(module.f, tmp_path / "keys")
    assert module.f("other") == "other"

    assert [module.f(number) for number in range(1000, 1100)] == [*range(1000, 1100)]
    assert module.f.cache_info().misses == 102
    assert module.f(tmp_path / "keys") == (tmp_path / "keys").read_bytes()


def test_compaction_and_clear_by_others_are_seen_at_the_next_call(load, elsewhere):
    from persist_to_disk import _compact

    module = load(SOURCE)
    assert module.f(1) == module.f(1) == (1, 0)
    module.value = 7

    def replace_and_compact():
        for _ in range(3):
            module.f(1, cache_switch="recache")
        memo = module.f.cache_info.__self__
        where = memo._where((1, {}))
        assert _compact.compact(where.bucket, where.store.lock_of(0), trust=False) > 0

    elsewhere(replace_and_compact)
    module.value = -1
    assert module.f(1) == module.f(1) == (1, 7)
    elsewhere(module.f.clear)
    assert module.f(1) == (1, -1)
    assert module.calls == [1, 1]
