"""Threads: several that save by one checkpoint, and where Python or the system gives no more."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ckpt
from ckpt import _arena, _snapshot
from ckpt._events import saved
from ckpt._threads import each
from expcore import _stages


def test_threads_share_the_work_and_results_come_in_order() -> None:
    both = threading.Barrier(2, timeout=30)
    seen = set[int]()

    def square(i: int) -> int:
        if i < 2:
            both.wait()  # passes only if two threads are here
        seen.add(threading.get_ident())
        return i * i

    assert list(each(square, range(50), 2)) == [i * i for i in range(50)]
    assert len(seen) == 2
    assert threading.get_ident() in seen


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_any_thread_is_raised_and_no_more_is_begun(threads) -> None:
    done: list[int] = []

    def fail(i: int) -> None:
        done.append(i)
        raise ValueError(f"item {i}")

    with pytest.raises(ValueError, match="item"):
        list(each(fail, range(1000), threads))

    assert len(done) <= threads
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ckpt_")]


def test_an_error_of_another_thread_does_not_keep_what_was_worked_on() -> None:
    class Memory:
        def read(self, _: int) -> None:
            both.wait()
            if threading.current_thread() is not threading.main_thread():
                raise ValueError("damaged")

    both = threading.Barrier(2, timeout=30)
    memory = Memory()
    kept = weakref.ref(memory)
    gc.disable()

    try:
        with pytest.raises(ValueError, match="damaged") as caught:
            list(each(memory.read, range(2), 2))
        del memory, caught
        assert kept() is None
    finally:
        gc.enable()


def test_who_stops_asking_ends_the_work() -> None:
    done: list[int] = []
    results = iter(each(done.append, range(100_000), 3))
    next(results)
    results.close()
    found = len(done)

    assert found < 100_000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ckpt_")]


@pytest.fixture
def large(monkeypatch) -> ckpt.VarCollection:
    """Variables that are copied, written and read by several threads."""
    monkeypatch.setattr(_stages, "STAGE_BYTES", 1 << 16)
    monkeypatch.setattr(_snapshot, "MANY", 1)
    monkeypatch.setattr(_arena, "LARGE", 1 << 16)
    return ckpt.VarCollection({f"w{i}": np.full(200_000, i, np.float32) for i in range(4)})


def is_restored(checkpoint: ckpt.Checkpoint) -> bool:
    again = ckpt.VarCollection({f"w{i}": np.zeros(200_000, np.float32) for i in range(4)})
    checkpoint.restore(again)
    return all((again[f"w{i}"].value == i).all() for i in range(4))


@pytest.mark.parametrize("background", [False, True])
def test_threads_that_share_a_checkpoint_save_each_its_own_values(background) -> None:
    checkpoint = ckpt.Checkpoint("logs", 100, background=background)

    def save(step: int) -> None:
        values = np.full(10_000, step)
        checkpoint.save(ckpt.VarCollection({"step": values}), step)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(40)))
    checkpoint.wait()

    for found in checkpoint.all():
        with ckpt.load(found.path) as arrays:
            assert (arrays["step"] == found.step).all()
    assert len(checkpoint.all()) == 40


def test_what_listens_to_saves_may_save_itself(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", 9, background=True)

    def copy(path) -> None:
        if path.name == "0000000001.npz":
            checkpoint.save(net, 2)

    disconnect = saved.connect(copy)
    checkpoint.save(net, 1)
    checkpoint.save(net, 3)
    checkpoint.wait()
    disconnect()

    assert [found.step for found in checkpoint.all()] == [1, 2, 3]


@pytest.mark.parametrize("taken", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("background", [False, True])
def test_a_save_goes_on_when_python_exits_meanwhile(large, monkeypatch, taken, background) -> None:
    """Then pools take no more work; what they took is done."""
    submit, count = ThreadPoolExecutor.submit, 0

    def refuse(pool, *args):
        nonlocal count
        count += 1
        if count > taken:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        return submit(pool, *args)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    checkpoint = ckpt.Checkpoint("logs", 1, verbose=False, background=background)
    checkpoint.save(large, 1)

    assert is_restored(checkpoint)


@pytest.mark.parametrize("background", [False, True])
def test_where_no_thread_can_be_begun_one_does_all(large, monkeypatch, background) -> None:
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    checkpoint = ckpt.Checkpoint("logs", 1, verbose=False, background=background)
    checkpoint.save(large, 1)

    assert is_restored(checkpoint)


AT_EXIT = """
import atexit, numpy as np, ckpt
from ckpt import _snapshot

_snapshot.MANY = 1
vc = ckpt.VarCollection({f"w{i}": np.full(3_000_000, i, np.float32) for i in range(4)})
checkpoint = ckpt.Checkpoint("logs", 2, verbose=False, background=True)

@atexit.register
def save_and_restore():
    checkpoint.save(vc, 1)
    print(checkpoint.restore(vc))
"""


def test_a_function_that_runs_at_exit_can_save_and_restore() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("(1, 'logs/ckpt/0000000001.npz')\n", "")
