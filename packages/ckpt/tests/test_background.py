"""Saving in the background."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import ckpt

FOLDER = Path("logs/ckpt")


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def gated(gate):
    """A checkpoint whose writes wait for a gate."""

    class Gated(ckpt.Checkpoint):
        @staticmethod
        def SAVE_FN(file, vc, **options):
            assert gate.wait(30)
            ckpt.save_var_collection(file, vc, **options)

    return Gated("logs", keep_ckpts=3, verbose=False, background=True)


def test_save_returns_before_the_write_and_stores_the_values_of_the_call(gated, gate, net) -> None:
    extra = {"epoch": [1]}
    net["b"].assign(np.full(3, 5, np.float32))
    gated.save(net, 1, extra=extra, metrics={"loss": 1})
    assert list(FOLDER.iterdir()) == []
    net["b"].value[:] = 9
    extra["epoch"].append(2)
    gate.set()

    restored = gated.restore(net)

    assert restored == (1, "logs/ckpt/0000000001.npz")
    assert restored.extra == {"epoch": [1]}
    assert restored.metrics == {"loss": 1}
    assert net["b"].value.tolist() == [5, 5, 5]


def test_at_most_one_write_is_under_way(gated, gate, net) -> None:
    gated.save(net, 1)
    threading.Timer(0.05, gate.set).start()

    gated.save(net, 2)

    assert (FOLDER / "0000000001.npz").exists()
    gated.wait()
    assert (FOLDER / "0000000002.npz").exists()


class Failing(ckpt.Checkpoint):
    @staticmethod
    def SAVE_FN(file, vc, **options):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", ["save", "restore", "wait", "with"])
def test_an_error_is_raised_at_the_next_call_and_once(net, call) -> None:
    checkpoint = Failing("logs", 1, verbose=False, background=True)

    def again():
        match call:
            case "save":
                checkpoint.save(net, 2)
            case "restore":
                checkpoint.restore(net)
            case "wait":
                checkpoint.wait()
            case "with":
                with checkpoint:
                    pass

    checkpoint.save(net, 1)
    with pytest.raises(OSError, match="No space left"):
        again()
    checkpoint.wait()


def test_what_is_wrong_with_the_values_is_said_at_once(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", 1, background=True)

    with pytest.raises(ckpt.UnsupportedValueError):
        checkpoint.save(net + {"fn": np.array([print])}, 1)
    with pytest.raises(ckpt.UnsupportedValueError, match="extra"):
        checkpoint.save(net, 1, extra=print)
    with pytest.raises(ckpt.NotAVarCollectionError):
        checkpoint.save([], 1)


def test_a_context_waits(net) -> None:
    with ckpt.Checkpoint("logs", 1, background=True) as checkpoint:
        checkpoint.save(net, 1)

    assert (FOLDER / "0000000001.npz").exists()


ARRAYS = {
    "c": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(12)[::2],
    "empty": np.zeros((0, 3)),
    "scalar": np.array(3),
    "text": np.array(["a", "bc"]),
    "when": np.array(["2024-01-01"], "M8[D]"),
    "big-endian": np.arange(3, dtype=">i4"),
}


def test_the_bytes_are_those_of_a_save_in_the_foreground() -> None:
    vc = ckpt.VarCollection(ARRAYS)
    ckpt.save_var_collection("now.npz", vc)
    with ckpt.Checkpoint("logs", 1, background=True) as checkpoint:
        for idx in (1, 2):  # the buffer is used again
            checkpoint.save(vc, idx)

    assert (FOLDER / "0000000002.npz").read_bytes() == Path("now.npz").read_bytes()


SCRIPT = """
import numpy as np, ckpt
{0}
checkpoint = Kind("logs", 1, background=True)
checkpoint.save(ckpt.VarCollection({{"w": np.ones(1_000_000)}}), 1)
"""


def test_the_interpreter_waits_for_it_at_exit() -> None:
    code = SCRIPT.format("Kind = ckpt.Checkpoint")
    subprocess.run([sys.executable, "-c", code], check=True)

    vc = ckpt.VarCollection({"w": np.zeros(1_000_000)})
    assert ckpt.Checkpoint("logs", 1, verbose=False).restore(vc)[0] == 1


def test_an_error_that_nobody_asked_for_is_shown_at_exit() -> None:
    code = SCRIPT.format(
        "class Kind(ckpt.Checkpoint):\n"
        "    @staticmethod\n"
        "    def SAVE_FN(file, vc):\n"
        "        raise OSError('No space left on device')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "the last save in the background failed" in done.stderr
    assert "OSError: No space left on device" in done.stderr


FORK = """
import os, threading
import numpy as np, ckpt

gate = threading.Event()

class Gated(ckpt.Checkpoint):
    @staticmethod
    def SAVE_FN(file, vc, **options):
        assert gate.wait(30)
        ckpt.save_var_collection(file, vc, **options)

def variables(value):
    return ckpt.VarCollection({"w": np.full(1000, value)})

checkpoint = Gated("logs", 3, verbose=False, background=True)
checkpoint.save(variables(1.0), 1)
child = os.fork()
if child == 0:
    gate.set()
    checkpoint.save(variables(2.0), 2)
    checkpoint.wait()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
gate.set()  # only now does the parent write
checkpoint.wait()
vc = variables(0.0)
for step in (1, 2):
    checkpoint.restore(vc, step)
    assert set(vc["w"].value) == {step}, step
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_that_saves_changes_nothing_of_what_its_parent_is_writing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


DROPPED = """
import gc, numpy as np, ckpt

class Failing(ckpt.Checkpoint):
    @staticmethod
    def SAVE_FN(file, vc):
        raise OSError("No space left on device")

def train():
    Failing("logs", 1, background=True).save(ckpt.VarCollection({"w": np.ones(3)}), 1)

train()
gc.collect()
"""


def test_an_error_of_a_checkpoint_that_nobody_holds_any_more_is_shown_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DROPPED], capture_output=True, text=True, check=True
    )

    assert "OSError: No space left on device" in done.stderr


def test_torch_values_are_those_of_the_call(gate, gated) -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(2, 1)
    weight = net.weight.detach().clone()
    gated.save(ckpt.torch_variables(net), 1)
    with torch.no_grad():
        net.weight.zero_()
    gate.set()

    gated.restore(ckpt.torch_variables(net))

    assert torch.equal(net.weight, weight)


@pytest.mark.parametrize("background", [False, True])
def test_a_pickled_checkpoint_saves_to_the_same_folder(net, background) -> None:
    checkpoint = ckpt.Checkpoint("logs", 2, verbose=False, background=background)
    checkpoint.save(net, 1)

    with pickle.loads(pickle.dumps(checkpoint)) as copy:
        copy.save(net, 2)

    assert checkpoint.restore(net) == (2, "logs/ckpt/0000000002.npz")
    assert [saved.step for saved in checkpoint.all()] == [1, 2]
