"""What a closure holds counts, except what the function itself changes."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import persist_to_disk as ptd


class Holding:
    """Calls functions, and counts for nothing in digests."""

    def __init__(self, functions):
        self.functions = functions

    def __call__(self):
        for function in self.functions:
            function()

    def __expcore_digest__(self):
        return None


def test_a_list_that_a_function_logs_its_calls_to_does_not_count(home):
    calls = []

    @ptd.persistf()
    def f(x):
        calls.append(x)
        if x < 0:
            raise ValueError(x)
        return x * 2

    for _ in range(2):
        with pytest.raises(ValueError, match="-1"):
            f(-1)
    assert [f(x) for x in (1, 1, 2, 1, 2)] == [2, 2, 4, 2, 4]
    assert calls == [-1, -1, 1, 2]


def test_a_counter_does_not_count_and_what_others_change_does(home):
    count, factor = 0, 2

    @ptd.persistf()
    def f(x):
        nonlocal count
        count += 1
        return x * factor

    assert [f(1), f(2), f(1)] == [2, 4, 2]
    factor = 3
    assert [f(1), f(2), f(1)] == [3, 6, 3]
    factor = 2
    assert f(1) == 2
    assert count == 4


def test_what_others_change_counts_also_where_the_function_changes_it_too(home):
    """As a model whose running means change as it is used, and whose weights are trained."""
    model = {"weight": 2, "uses": 0}

    @ptd.persistf()
    def predict(x):
        model["uses"] += 1
        return x * model["weight"]

    assert [predict(1), predict(2), predict(1)] == [2, 4, 2]
    model["weight"] = 3
    assert [predict(1), predict(2), predict(1)] == [3, 6, 3]
    assert model["uses"] == 4


def test_what_a_thread_gives_another_value_meanwhile_counts(home):
    begun, go_on = threading.Event(), threading.Event()
    factor = 2
    hold = Holding([begun.set, go_on.wait])

    @ptd.persistf()
    def f(x):
        found = x * factor
        hold()
        return found

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(f, 1)
        begun.wait()
        factor = 3
        go_on.set()
        assert first.result() == 2
    assert f(1) == 3


def test_a_result_is_kept_when_the_closure_has_no_digest_any_more(home):
    log = []

    @ptd.persistf()
    def f(x):
        log.append(threading.Lock())
        return x

    assert f(1) == 1
    with pytest.raises(ptd.UnkeyableFunctionError, match="lock"):
        f(2)
    assert f(2, cache_switch="nocache") == 2


def test_functions_that_hold_different_things_do_not_share_what_they_change(home):
    def make(log):
        @ptd.persistf()
        def f(x):
            log.append(x)
            return log[0]

        return f

    first, second = make(["a"]), make(["b"])
    assert [first(1), second(1), first(1), second(1)] == ["a", "b", "a", "b"]
    assert make(["a"])(1) == "a"  # a later process, with the same log at its beginning


def test_a_recursion_that_logs_computes_each_call_once(home):
    calls = []

    @ptd.persistf()
    def fibonacci(n):
        calls.append(n)
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert [fibonacci(10), fibonacci(10), fibonacci(5)] == [55, 55, 5]
    assert sorted(calls) == list(range(11))


def test_threads_and_coroutines_that_log_compute_each_call_once(home):
    calls = []

    @ptd.persistf()
    def f(x):
        calls.append(x)
        time.sleep(0.001)
        return x

    @ptd.persistf()
    async def g(x):
        calls.append(-x)
        await asyncio.sleep(0)
        return x

    async def gather():
        return await asyncio.gather(*[g(x % 4) for x in range(1, 20)])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(f, [x % 4 for x in range(40)])) == [x % 4 for x in range(40)]
    assert sorted(calls) == [0, 1, 2, 3]
    calls.clear()
    assert asyncio.run(gather()) == [x % 4 for x in range(1, 20)]
    assert sorted(calls) == [-3, -2, -1, 0]


def test_a_call_that_is_not_cached_changes_nothing_about_the_others(home):
    calls = []

    @ptd.persistf()
    def f(x):
        calls.append(x)
        return x

    f(1, cache_switch="nocache")
    assert [f(1), f(1)] == [1, 1]
    assert calls == [1, 1]


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
