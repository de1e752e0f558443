"""Many processes, and processes that die.

Each test is a script of its own that forks: what it prints is what is checked.
"""

from __future__ import annotations

import os
import random
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the scripts fork")

PRELUDE = """
import os, random, signal, sys, time
import persist_to_disk as ptd

def note(text):
    '''Add a line to the log, atomically.'''
    with open("log", "ab", buffering=0) as file:
        file.write(f"{text}\\n".encode())

def say(*words):
    '''Print a line in one piece.'''
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def noted(text):
    '''How often a line is in the log.'''
    return open("log").read().split("\\n").count(str(text)) if os.path.exists("log") else 0

def wait_for(condition):
    while not condition():
        time.sleep(0.001)

def fork(target, *args):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            target(*args)
            status = 0
        finally:
                os._exit(status)
    return pid

def join(pids):
    return [os.waitpid(pid, 0)[1] for pid in pids]
"""


@pytest.fixture
def script(project, python):
    """Run a script, and return what it printed and the lines of its log."""

    def script(source):
        (project / "job.py").write_text(PRELUDE + textwrap.dedent(source))
        printed = python("job.py")
        log = project / "log"
        return printed.split(), log.read_text().split() if log.exists() else []

    return script


def test_sixteen_processes_that_make_one_call_compute_it_once(script):
    printed, log = script("""
        @ptd.persistf()
        def f(x):
            note("computed")
            wait_for(lambda: noted("ready") == 16)
            return x * 2

        def process():
            note("ready")
            say(f(21))

        say(*join([fork(process) for _ in range(16)]))
    """)

    assert printed[:16] == ["42"] * 16
    assert printed[16:] == ["0"] * 16
    assert log.count("computed") == 1


@pytest.mark.parametrize("hashsize", [1, 500])
def test_eight_processes_and_200_keys_compute_no_key_twice(script, hashsize):
    printed, log = script(f"""
        @ptd.persistf(hashsize={hashsize})
        def f(x):
            note(x)
            return x * 2

        def process(seed):
            keys = list(range(200))
            random.Random(seed).shuffle(keys)
            assert [f(x) for x in keys] == [2 * x for x in keys]

        say(*join([fork(process, seed) for seed in range(8)]))
    """)

    assert printed == ["0"] * 8
    assert sorted(map(int, log)) == list(range(200))


def test_a_slow_key_delays_no_other_key_of_its_bucket(script):
    printed, _ = script("""
        @ptd.persistf(hashsize=1)
        def f(x):
            note("started")
            if x == "slow":
                wait_for(lambda: noted("fast is done"))
            return x

        slow = fork(lambda: say(f("slow")))
        wait_for(lambda: noted("started"))
        say(f("fast"), f("fast"))
        note("fast is done")
        join([slow])
    """)

    assert printed == ["fast", "fast", "slow"]


def test_large_results_of_many_processes_in_one_bucket_are_all_kept(script):
    printed, log = script("""
        @ptd.persistf(hashsize=1)
        def f(x):
            note(x)
            return bytes([x]) * (2 << 20)

        def process():
            for _ in range(2):
                assert all(f(x) == bytes([x]) * (2 << 20) for x in range(20))

        say(*join([fork(process) for _ in range(8)]))
    """)

    assert printed == ["0"] * 8
    assert sorted(map(int, log)) == list(range(20))


def test_when_the_owner_is_killed_exactly_one_other_computes(script):
    printed, log = script("""
        @ptd.persistf()
        def f(x):
            note("computing")
            if noted("computing") == 1:
                wait_for(lambda: False)
            return x

        owner = fork(f, 1)
        wait_for(lambda: noted("computing"))
        def other():
            note("waiting")
            say(f(1))
        others = [fork(other) for _ in range(6)]
        wait_for(lambda: noted("waiting") == 6)
        os.kill(owner, signal.SIGKILL)
        join([owner])
        say(*join(others))
    """)

    assert printed == ["1"] * 6 + ["0"] * 6
    assert log.count("computing") == 2


def test_what_was_returned_before_a_kill_is_still_there(script):
    printed, _ = script("""
        @ptd.persistf(hashsize=2)
        def f(x, size):
            return bytes([x % 256]) * size

        def process(start, pipe):
            for x in range(start, start + 1000):
                f(x, 3000 if x % 50 != 9 else 2 << 20)
                os.write(pipe, b"%d\\n" % x)

        generator = random.Random(3)
        acknowledged = []
        for start in range(200):
            reader, writer = os.pipe()
            pid = fork(process, start * 1000, writer)
            os.close(writer)
            data = os.read(reader, 100)
            time.sleep(generator.random() / 100)
            os.kill(pid, signal.SIGKILL)
            join([pid])
            while more := os.read(reader, 1 << 16):
                data += more
            os.close(reader)
            acknowledged += [int(x) for x in data.split()]
        for x in acknowledged:
            size = 3000 if x % 50 != 9 else 2 << 20
            assert f(x, size, cache_switch="readonly") == bytes([x % 256]) * size
        say("kept", f.cache_info().misses, f.cache_info().entries - len(acknowledged) <= 200)
        say(len(acknowledged) >= 200)
    """)

    assert printed == ["kept", "0", "True", "True"]


def test_threads_compute_a_call_once_too(load):
    from concurrent.futures import ThreadPoolExecutor

    module = load("""
        import threading
        barrier = threading.Barrier(8)
        calls = []
        @ptd.persistf()
        def f(x):
            calls.append(x)
            return x
        def together(x):
            barrier.wait()
            return f(x)
    """)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(module.together, [5] * 8)) == [5] * 8
    assert module.calls == [5]


def test_threads_that_hit_and_miss_in_one_bucket_get_their_own_results(load):
    from concurrent.futures import ThreadPoolExecutor

    module = load("""
        calls = []
        @ptd.persistf(hashsize=1)
        def f(x):
            calls.append(x[0])
            return x * 2
    """)

    def work(seed):
        order = list(range(100))
        random.Random(seed).shuffle(order)
        return all(module.f([x]) == [x, x] for x in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert sorted(module.calls) == list(range(100))


def test_without_byte_locks_files_serve_as_locks(load, monkeypatch, cache):
    import sys

    monkeypatch.setattr(sys, "platform", "other")
    module = load("""
        calls = 0
        @ptd.persistf()
        def f(x):
            global calls
            calls += 1
            return x
        @ptd.persistf()
        async def g(x):
            return x
    """)

    import asyncio

    assert [module.f(x) for x in (1, 2, 1)] == [1, 2, 1]
    assert module.calls == 2

    async def twice():
        return await asyncio.gather(module.g(1), module.g(1))

    assert asyncio.run(twice()) == [1, 1]
    assert (cache / "project-1/module/f/.locks").is_dir()
    assert not (cache / "project-1/module/f/.lock").exists()
