"""What makes a call the same call."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import inspect
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

import persist_to_disk as ptd


@pytest.fixture
def count(load):
    """Return how many different calls a function takes some calls for."""

    def count(parameters, calls, options=""):
        module = load(f"""
            calls = 0
            @ptd.persistf({options})
            def f({parameters}):
                global calls
                calls += 1
        """)
        module.f.clear()
        for args, kwargs in calls:
            module.f(*args, **kwargs)
        return module.calls

    return count


def one(*values):
    """One call for each value."""
    return [((value,), {}) for value in values]


@pytest.mark.parametrize(
    ("parameters", "calls"),
    [
        ("a, b=2", [((1,), {}), ((1, 2), {}), ((1,), {"b": 2}), ((), {"b": 2, "a": 1})]),
        ("*args, k=1", [((1, 2), {}), ((1, 2), {"k": 1})]),
        ("**kwargs", [((), {"a": 1, "b": 2}), ((), {"b": 2, "a": 1})]),
        ("a, /, *, b=2", [((1,), {}), ((1,), {"b": 2})]),
        ("a", one({"x": 1, "y": 2}, {"y": 2, "x": 1})),
        ("a", one({1, 2, "x"}, {"x", 2, 1})),
        ("a", one(float("nan"), float("nan"))),
        ("a", one([v := [1, 2], v], [[1, 2], [1, 2]])),
        ("", [((), {}), ((), {})]),
    ],
)
def test_these_are_one_call(count, parameters, calls):
    assert count(parameters, calls) == 1


@pytest.mark.parametrize(
    ("parameters", "calls"),
    [
        ("a", one(1, True, 1.0, Decimal(1), "1", b"1")),
        ("a", one(0.0, -0.0)),
        ("a", one([1], (1,), {1}, {1: None})),
        ("a, /, **kw", [((1,), {}), ((1,), {"a": 1}), ((1,), {"a": 2})]),
        ("*args", [((1, 2), {}), (((1, 2),), {}), ((2, 1), {})]),
        ("a", one(len, max, int, float, Path("a"), Path("b"))),
    ],
)
def test_these_are_all_different_calls(count, parameters, calls):
    assert count(parameters, calls) == len(calls)


def test_arrays_count_by_dtype_shape_and_content(count):
    np = pytest.importorskip("numpy")
    a = np.arange(12.0).reshape(3, 4)

    assert count("a", one(a, a.copy(order="F"), np.repeat(a, 2, axis=1)[:, ::2])) == 1
    assert (
        count("a", one(np.int64(1), 1, np.zeros(3, "f4"), np.zeros(3, "i4"), np.zeros((3, 1))))
        == 5
    )


def test_tensors_count_by_dtype(count):
    torch = pytest.importorskip("torch")

    zeros = torch.zeros(3)
    assert count("a", one(zeros, zeros.clone(), zeros.half(), zeros.bfloat16())) == 3


def test_objects_of_many_kinds_are_arguments(count):
    @dataclasses.dataclass
    class Config:
        lr: float

    class Plain:
        def __init__(self, x):
            self.x = x

    class Color(enum.Enum):
        RED = 1
        BLUE = 2

    calls = one(Config(0.1), Config(0.1), Config(0.2), Plain(1), Plain(1), Plain(2), *Color)
    assert count("a", calls) == 6


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, r"f\(\) missing 1 required positional argument: 'a'"),
        ((1, 2), {}, r"f\(\) takes 1 positional argument but 2 were given"),
        ((1,), {"z": 1}, r"f\(\) got an unexpected keyword argument 'z'"),
    ],
)
def test_a_wrong_call_is_the_type_error_of_python(load, args, kwargs, message):
    module = load("""
        @ptd.persistf()
        def f(a):
            return a
    """)

    with pytest.raises(TypeError, match=message):
        module.f(*args, **kwargs)


@pytest.mark.parametrize(
    "value", [(x for x in "abc"), threading.Lock()], ids=["generator", "lock"]
)
def test_an_argument_without_a_digest_is_named(load, value):
    module = load("""
        @ptd.persistf()
        def f(a, b):
            return a
    """)

    with pytest.raises(ptd.UnkeyableArgumentError, match=r"'b' of f .*skip_kwargs") as caught:
        module.f(1, value)
    assert isinstance(caught.value, TypeError)
    assert caught.value.argument == "b"


BODY = """
calls = 0
{comment}
@ptd.persistf({options})
def f(x):
    global calls
    calls += 1
    return x + {constant}
"""


@pytest.mark.parametrize(
    ("first", "second", "runs"),
    [
        ({}, {"constant": 2}, 1),
        ({}, {"comment": "# moved\n\n\n# down"}, 0),
        ({"options": "version='1'"}, {"options": "version='1'", "constant": 2}, 0),
        ({"options": "version='1'"}, {"options": "version='2'"}, 1),
    ],
)
def test_the_code_of_the_function_counts(load, first, second, runs):
    defaults = {"comment": "", "options": "", "constant": 1}
    load(BODY.format(**(defaults | first))).f(1)

    again = load(BODY.format(**(defaults | second)))
    again.f(1)
    assert again.calls == runs


def test_what_a_closure_holds_counts(load):
    module = load("""
        def adder(n):
            @ptd.persistf()
            def add(x):
                return x + n
            return add
        def counter():
            n = 0
            @ptd.persistf()
            def f(x):
                return x + n
            def up():
                nonlocal n
                n += 1
            return f, up
    """)

    assert [module.adder(n)(1) for n in (1, 2, 1)] == [2, 3, 2]
    f, up = module.counter()
    assert f(1) == 1
    up()
    assert f(1) == 2


def test_a_closure_without_a_digest_is_refused_and_a_version_helps(load):
    module = load("""
        import threading
        def make(**options):
            lock = threading.Lock()
            @ptd.persistf(**options)
            def f(x):
                with lock:
                    return x
            return f
    """)

    with pytest.raises(ptd.UnkeyableFunctionError, match="version='1'"):
        module.make()(1)
    assert module.make(version="1")(1) == 1


def test_a_default_without_a_digest_may_be_skipped(load):
    module = load("""
        import threading
        @ptd.persistf(skip_kwargs=["lock"])
        def f(x, lock=threading.Lock()):
            return x
    """)

    assert module.f(1) == 1


@pytest.mark.parametrize("parameters", ["x=[]", "*, x=[]", "x=([],)"])
def test_a_default_counts_as_it_is_at_the_time_of_the_call(load, parameters):
    module = load(f"""
        @ptd.persistf()
        def f({parameters}):
            x = x[0] if isinstance(x, tuple) else x
            x.append(None)
            return len(x)
    """)

    assert [module.f() for _ in range(3)] == [1, 2, 3]


def test_lambdas_of_one_line_and_methods_of_one_name_do_not_collide(load):
    module = load("""
        f, g = ptd.persistf()(lambda x: x + 1), ptd.persistf()(lambda x: x + 2)
        class A:
            @ptd.persistf()
            def m(self, x):
                return "A"
        class B:
            @ptd.persistf()
            def m(self, x):
                return "B"
    """)

    assert (module.f(1), module.g(1)) == (2, 3)
    assert (module.A().m(1), module.B().m(1)) == ("A", "B")


def test_self_counts_by_its_value_or_is_skipped(load):
    module = load("""
        class A:
            def __init__(self, x):
                self.x = x
            @ptd.persistf()
            def counts(self):
                return self.x
            @ptd.persistf(skip_kwargs=["self"])
            def skips(self):
                return self.x
            @staticmethod
            @ptd.persistf()
            def static(x):
                return x
            @classmethod
            @ptd.persistf()
            def of_class(cls, x):
                return cls.__name__, x
    """)

    assert [module.A(x).counts() for x in (1, 2, 1)] == [1, 2, 1]
    assert module.A.counts.cache_info()[:3] == (1, 2, 2)
    assert [module.A(x).skips() for x in (1, 2)] == [1, 1]
    assert (module.A.static(3), module.A.of_class(3)) == (3, ("A", 3))


def test_recursion_and_a_call_inside_itself_pass_through(load):
    module = load("""
        @ptd.persistf()
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)
        depth = 0
        @ptd.persistf(skip_kwargs=["x"])
        def same(x):
            return x if x == 0 else same(x - 1) + 1
        def outer():
            @ptd.persistf()
            def inner(n):
                return 0 if n == 0 else inner(n - 1) + 1
            return inner
    """)

    assert module.fib(50) == 12586269025
    assert module.same(3) == 3
    assert module.outer()(5) == 5


def test_a_decorated_function_is_an_argument(load):
    module = load("""
        @ptd.persistf()
        def g(x):
            return x
        @ptd.persistf()
        def f(function, x):
            return function(x)
    """)

    assert module.f(module.g, 3) == module.f(module.g, 3) == 3
    assert module.f.cache_info().hits == 1


def test_a_coroutine_function_is_awaited_once(load):
    module = load("""
        import asyncio
        calls = []
        @ptd.persistf()
        async def f(x):
            calls.append(x)
            await asyncio.sleep(0)
            return x * 2
    """)

    async def main():
        return await asyncio.gather(*(module.f(x) for x in (1, 2, 1, 2, 1)))

    assert asyncio.run(main()) == [2, 4, 2, 4, 2]
    assert sorted(module.calls) == [1, 2]
    assert inspect.iscoroutinefunction(module.f)


def test_a_generator_is_returned_uncached_with_one_warning(load):
    module = load("""
        @ptd.persistf()
        def f(n):
            return (x for x in range(n))
    """)

    with pytest.warns(ptd.PersistWarning, match="cannot pickle 'generator'") as caught:
        assert list(module.f(3)) == [0, 1, 2]
    assert len(caught) == 1
    assert caught[0].filename == __file__  # where the call is
    assert list(module.f(3)) == [0, 1, 2]


def test_an_exception_is_not_cached(load):
    module = load("""
        calls = 0
        @ptd.persistf()
        def f(x):
            global calls
            calls += 1
            raise OSError("as it is")
    """)

    for _ in range(2):
        with pytest.raises(OSError, match="as it is"):
            module.f(1)
    assert module.calls == 2


def test_exceptions_of_the_named_types_are_kept_and_raised_again(load):
    module = load("""
        calls = []
        @ptd.persistf(cache_exceptions=(ValueError, KeyError))
        def f(x):
            calls.append(x)
            raise (ValueError if x else OSError)(f"no {x}")
    """)

    for _ in range(2):
        with pytest.raises(ValueError, match="no 1"):
            module.f(1)
        with pytest.raises(OSError, match="no 0"):
            module.f(0)
    assert module.calls == [1, 0, 0]
    assert module.f.cache_info()[:3] == (1, 1, 1)


HELPERS = """
def clean(x):
    return strip(x) + {clean}
def strip(x):
    return x + {strip}
def unused(x):
    return x + {unused}
class Scaler:
    def scale(self, x):
        return x * {scale}
"""
MAIN = """
import sys
sys.path.insert(0, {folder!r})
sys.modules.pop("helpers", None)
import json
import helpers
from helpers import Scaler
@ptd.persistf(track="closure")
def f(x):
    json.dumps(x)
    return [Scaler().scale(helpers.clean(y)) for y in x]
"""


@pytest.mark.parametrize(
    ("changed", "runs"), [("clean", 1), ("strip", 1), ("scale", 1), ("unused", 0)]
)
def test_tracked_helpers_count(load, project, monkeypatch, changed, runs):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    values = {"clean": 1, "strip": 2, "scale": 3, "unused": 4}
    helpers = project / "helpers.py"
    for more in (0, 0, 100):
        helpers.write_text(HELPERS.format(**values | {changed: values[changed] + more}))
        module = load(MAIN.format(folder=str(project)))
        module.f([1])
    sys.modules.pop("helpers")

    assert module.f.cache_info().entries == 1 + runs


def test_a_result_belongs_to_its_caller(load):
    module = load("""
        @ptd.persistf()
        def f(x):
            return [x]
    """)

    module.f(1).append(2)
    module.f(1).append(3)
    assert module.f(1) == [1]


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


def test_an_argument_that_cannot_be_hashed_or_compared_is_one_all_the_same(load):
    module = load("""
        calls = 0
        class Odd:
            def __init__(self, x):
                self.x = x
            def __hash__(self):
                raise ValueError("not in the mood")
        class Alike(int):
            def __eq__(self, other):
                raise RuntimeError("never compare")
            def __hash__(self):
                return hash(1)
        @ptd.persistf()
        def f(x):
            global calls
            calls += 1
            return calls
    """)

    assert [module.f(module.Odd(x)) for x in (1, 2, 1)] == [1, 2, 1]
    assert [module.f(x) for x in (1, module.Alike(1), 1, module.Alike(1))] == [3, 4, 3, 4]
