"""What the decorator can be told, and what it tells."""

from __future__ import annotations

import functools
import time

import pytest

import persist_to_disk as ptd


def test_the_switch_decides_for_one_call(load):
    module = load("""
        value = 1
        @ptd.persistf()
        def f(x):
            return x + value
    """)

    with pytest.raises(ptd.NotCachedError, match="call it with 'cache'"):
        module.f(1, cache_switch="readonly")
    assert module.f(1, cache_switch=ptd.CHECKONLY) is False
    assert module.f(1) == 2
    module.value = 10
    assert module.f(1, cache_switch=ptd.NOCACHE) == 11
    assert module.f(1, cache_switch=0) == 11
    assert module.f(1, cache_switch=ptd.READONLY) == 2
    assert module.f(1, cache_switch=4) is True
    assert module.f(1, cache_switch="recache") == 11
    assert module.f(1) == 11
    with pytest.raises(ptd.ConfigError, match="'sometimes'; it must be one of 'nocache'"):
        module.f(1, cache_switch="sometimes")


def test_the_switch_of_the_function_wins(load):
    module = load("""
        calls = 0
        @ptd.persistf(cache=ptd.RECACHE, switch_kwarg="how")
        def f(x):
            global calls
            calls += 1
    """)

    module.f(1)
    module.f(1, how="cache")
    assert module.calls == 2


def test_attributes_tell_about_a_call(load, cache):
    module = load("""
        @ptd.persistf()
        def f(x, y=1):
            return x
    """)

    assert not module.f.is_cached(1)
    path = module.f.cache_path(1, y=1)
    assert path.parent == cache / "project-1/module/f"
    assert not path.exists()
    module.f(1)
    assert path.exists()
    assert module.f.is_cached(1, 1)
    module.f.clear()
    assert not module.f.is_cached(1)
    assert module.f.cache_info().entries == 0
    assert module.f.__wrapped__(5) == 5


def test_an_entry_older_than_ttl_does_not_count(load, monkeypatch):
    module = load("""
        calls = 0
        @ptd.persistf(freq="1d")
        def f(x):
            global calls
            calls += 1
    """)
    module.f(1)
    module.f(1)
    assert module.calls == 1

    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + 86_401 * 10**9)
    module.f(1)
    assert module.calls == 2

    monkeypatch.setattr("time.time_ns", lambda: now - 10 * 86_400 * 10**9)
    module.f(1)  # the entry was written by a clock that was fast
    module.f(1)
    assert module.calls == 3


def test_alt_dirs_are_read_too(load, tmp_path):
    module = load("""
        @ptd.persistf()
        def f(x):
            return x
    """)
    module.f(1)
    old = module.f.cache_path(1).parent
    ptd.config.set_persist_path(tmp_path / "new")
    again = load(
        f"""
        @ptd.persistf(alt_dirs=[{str(old)!r}])
        def f(x):
            raise AssertionError
    """.replace("raise AssertionError", "return x")
    )

    again.f(1)
    assert again.f.cache_info()[:3] == (1, 0, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("groupby=['z']", r"groupby of f is 'z'; it must be one of its parameters \(x\)"),
        ("skip_kwargs=['z']", "skip_kwargs of f is 'z'"),
        ("skip_kwargs='x'", "a list of parameters"),
        ("expand_dict_kwargs='some'", "a list of parameters, or 'all'"),
        ("groupby=['x'], skip_kwargs=['x']", "a parameter that is not skipped"),
        ("hashsize=0", "an integer of at least 1"),
        ("hashsize=3, hash_size=4", "hashsize, which is 3"),
        ("ttl='soon'", "seconds above 0"),
        ("lock_granularity='file'", "'call', 'func' or 'global'"),
        ("switch_kwarg='x'", "no parameter of f"),
        ("track='all'", "'closure', or absent"),
        ("track='closure', version='1'", "absent when version"),
        ("cache_exceptions=5", "a subclass of Exception"),
        ("hash_method='md5'", "'pickle' or 'json'"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_at_once(load, options, message):
    with pytest.raises(ptd.ConfigError, match=message):
        load(f"""
            @ptd.persistf({options})
            def f(x):
                return x
        """)


def test_a_static_method_is_decorated_from_below(load):
    with pytest.raises(TypeError, match="persistf goes below @staticmethod"):
        ptd.persistf()(staticmethod(len))


def test_without_parentheses_the_decorator_says_what_is_missing():
    with pytest.raises(TypeError, match=r"@persistf\(\)"):

        @ptd.persistf
        def f(x):
            return x


def test_what_has_no_signature_or_name_is_refused():
    with pytest.raises(TypeError, match="no signature found for builtin"):
        ptd.persistf()(max)
    with pytest.raises(TypeError, match=r"partial.* is none; wrap it in one"):
        ptd.persistf()(functools.partial(print, 1))
    with pytest.raises(TypeError, match=r"method 'upper' .* is none; wrap it in one"):
        ptd.persistf()(str.upper)
