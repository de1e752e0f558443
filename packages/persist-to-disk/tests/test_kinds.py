"""Functions of all kinds: methods, coroutines, generators, those that recur or raise."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import persist_to_disk as ptd


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


def test_a_bound_method_counts_its_object_as_it_is_at_the_call(load):
    module = load("""
        class A:
            def __init__(self, x):
                self.x = x
                self.times = ptd.persistf()(self.times)
            def times(self, y):
                return self.x * y
    """)
    a, table = module.A(2), {1: "one"}
    get = ptd.persistf()(table.get)

    before = a.times(5), get(1)
    a.x, table[1] = 3, "other"

    assert before == (10, "one")
    assert (a.times(5), get(1)) == (15, "other")


def test_a_coroutine_that_is_closed_by_another_task_frees_its_call(load):
    f = load("""
        import asyncio
        @ptd.persistf()
        async def f(x):
            await asyncio.sleep(60 * (x == 1 and not started.append(x) and len(started) == 1))
            return x
        started = []
    """).f

    async def begin():
        task = asyncio.ensure_future(f(1))
        while not f.__wrapped__.__globals__["started"]:
            await asyncio.sleep(0)
        return task.get_coro()

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # that a task was destroyed is its purpose
    coroutine = loop.run_until_complete(begin())
    coroutine.close()
    loop.close()

    async def again():
        return await asyncio.wait_for(f(1), timeout=20)

    assert asyncio.run(again()) == 1


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


def test_a_kept_exception_counts_for_as_long_as_exceptions_are_kept(load):
    source = """
        calls = []
        @ptd.persistf(cache_exceptions=%s)
        def f(x):
            calls.append(x)
            raise ValueError(x)
    """
    keeping, keeping_none = load(source % "ValueError"), load(source % "()")
    with pytest.raises(ValueError, match="1"):
        keeping.f(1)

    assert keeping.f.is_cached(1)
    assert not keeping_none.f.is_cached(1)
    assert not keeping_none.f(1, cache_switch="checkonly")
    with pytest.raises(ptd.NotCachedError):
        keeping_none.f(1, cache_switch="readonly")
    with pytest.raises(ValueError, match="1"):
        keeping_none.f(1)
    assert keeping_none.calls == [1]


def test_a_result_belongs_to_its_caller(load):
    module = load("""
        @ptd.persistf()
        def f(x):
            return [x]
    """)

    module.f(1).append(2)
    module.f(1).append(3)
    assert module.f(1) == [1]
