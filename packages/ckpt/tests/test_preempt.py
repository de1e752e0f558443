"""A training that is told that its machine will be taken away."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

import ckpt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
TRAINING = """
import sys, numpy as np, ckpt
vc = ckpt.VarCollection({"step": 0})
checkpoint = ckpt.Checkpoint("logs", keep_ckpts=3, background=True)
saves = []

def save(step):
    saves.append(step)
    checkpoint.save(vc, step)

with checkpoint.on_preempt(save) as stop:
    for step in range(10**9):
        vc["step"].assign(step)
        if step == 3:
            print("running", flush=True)
        if stop(step):
            assert stop(step), "it goes on saying so"
            break
print(saves == [step], step, flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_real_signal_saves_once_at_the_end_of_the_step_and_stops_the_loop(name) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING], stdout=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout.readline() == "running\n"
        training.send_signal(getattr(signal, name))
        once, step = training.stdout.readline().split()

    assert training.returncode == 0
    assert once == "True"
    vc = ckpt.VarCollection({"step": np.int64(0)})
    idx, _ = ckpt.Checkpoint("logs", 3, verbose=False).restore(vc)
    assert (idx, vc["step"].value) == (int(step), int(step))


def test_the_handlers_of_before_are_put_back(net) -> None:
    before = signal.getsignal(signal.SIGTERM)
    checkpoint = ckpt.Checkpoint("logs", 1)

    with checkpoint.on_preempt(lambda: checkpoint.save(net, 1)) as stop:
        assert not stop()
        assert not stop.noted
        signal.raise_signal(signal.SIGTERM)
        assert stop.noted
        assert stop()

    assert signal.getsignal(signal.SIGTERM) == before
    assert checkpoint.latest().step == 1


def test_of_two_each_is_told(net) -> None:
    first, second = ckpt.Checkpoint("a", 1), ckpt.Checkpoint("b", 1)

    with (
        first.on_preempt(lambda: first.save(net, 1)) as one,
        second.on_preempt(lambda: second.save(net, 1)) as other,
    ):
        signal.raise_signal(signal.SIGTERM)
        assert one()
        assert other()

    assert first.latest() is not None
    assert second.latest() is not None


FORKING = """
import multiprocessing, signal, ckpt

def work(connection):
    connection.send("here")
    connection.recv()

checkpoint = ckpt.Checkpoint("logs", keep_ckpts=1)
with checkpoint.on_preempt(print) as stop:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    worker = context.Process(target=work, args=(there,))
    worker.start()
    here.recv()
    worker.terminate()
    worker.join()
    print(worker.exitcode == -signal.SIGTERM, stop())
"""


def test_a_worker_process_forked_meanwhile_can_be_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "True False\n"
