"""Decorators between persistf and the function."""

from __future__ import annotations

import pytest

DECORATORS = """
    import functools

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            calls.append(f"{args} {kwargs}")
            return function(*args, **kwargs)
        return wrapper
    calls = []

    def with_session(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function("session", *args, **kwargs)
        return wrapper

    def with_default(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            kwargs.setdefault("b", 10)
            return function(*args, **kwargs)
        return wrapper

    def with_retries(function):
        @functools.wraps(function)
        def wrapper(*args, retries=3, **kwargs):
            return retries, function(*args, **kwargs)
        return wrapper

    class Shifted:
        def __init__(self, function):
            functools.update_wrapper(self, function)
            self.function = function
        def __call__(self, *args, **kwargs):
            return self.function("first", *args, **kwargs)

    def doubled(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            args = [2 * value for value in args]
            return function(*args, **kwargs)
        return wrapper

    def named(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            name = f"{args} {kwargs}"
            return name, function(*args, **kwargs)
        return wrapper
"""


@pytest.mark.parametrize("decorator", ["logged", "functools.lru_cache"])
def test_one_that_passes_everything_on_makes_no_difference(load, decorator):
    f = load(f"""{DECORATORS}
    @ptd.persistf(skip_kwargs=["device"], groupby=["b"])
    @{decorator}
    def f(a, b=1, device="cpu"):
        return a, b
    """).f

    calls = [f(1), f(1, 1), f(a=1, b=1), f(1, b=1, device="cuda")]

    assert calls == [(1, 1)] * 4
    assert f.cache_info()[:3] == (3, 1, 1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        f()


@pytest.mark.parametrize(
    ("decorator", "calls"),
    [
        ("with_session", ["f(1)", "f(2)", "f(x=1)", "f(1, y=5)", "f(1, 2)", "f(2, 1)"]),
        ("Shifted", ["f()", "f(1)", "f(2)", "f(y=2)"]),
        ("with_default", ["f(5)", "f(5, y=1)", "f(x=5)"]),
        ("with_retries", ["f(5)", "f(5, retries=4)", "f(5, 1)", "f(5, 1, retries=4)"]),
        ("named", ["f(5)", "f(x=5)", "f(5, 1)"]),
        ("doubled", ["f(5, 6)", "f(x=5, y=6)", "f(5, y=6)", "f(10, 6)"]),
    ],
)
def test_one_that_changes_what_it_passes_on_is_right(load, decorator, calls):
    session = "session, " if decorator == "with_session" else ""
    parameters = "x, b=1, y=1" if decorator == "with_default" else f"{session}x, y=1"
    module = load(f"""{DECORATORS}
    @{decorator}
    def plain({parameters}):
        return locals()
    f = ptd.persistf()(plain)
    """)

    for call in calls * 2:
        expected = eval(call.replace("f(", "plain("), vars(module))
        assert eval(call, vars(module)) == expected
    assert module.f.cache_info().hits == len(calls)


def test_its_arguments_go_by_the_names_that_it_claims(load):
    f = load(f"""{DECORATORS}
    @ptd.persistf(skip_kwargs=["device"], groupby=["b"])
    @doubled
    def f(a, b=1, device=1):
        return a, b
    """).f

    assert [f(1), f(1, 1), f(1, 1, 2), f(1, 1, device=7)] == [(2, 1), (2, 2), (2, 2), (2, 2)]
    assert f.cache_info()[:3] == (2, 2, 2)
    assert f.cache_path(1).parent.name == "1"
    assert f.cache_path(1, 3).parent.name == "3"
    assert f.cache_path(a=1, b=4).parent.name == "4"
