"""What makes a call the same call."""

from __future__ import annotations

import dataclasses
import enum
import threading
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
