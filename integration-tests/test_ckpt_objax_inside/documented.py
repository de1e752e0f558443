"""Every snippet of objax's page on loading and saving, with ``ckpt.X`` for ``objax.io.X``.

From docs/source/objax/save_load.rst of objax 1.8.0, Apache License 2.0, Copyright 2020 Google LLC.
A snippet goes on where the one before it ended, as on the page.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import ckpt

WEIGHTS = """
import ckpt
import objax

# Let's pretend we have a neural network net and we want to save it.
net = objax.nn.Sequential([objax.nn.Linear(768, 1), objax.functional.sigmoid])

# Saving only takes one line.
ckpt.save_var_collection('net.npz', net.vars())

# Let's modify the bias of the Linear layer
net[0].b.assign(net[0].b.value + 1)
print(net[0].b.value.sum())         # 1.0

# Loading
ckpt.load_var_collection('net.npz', net.vars())
print(net[0].b.value.sum())         # 0.0
"""

DESCRIPTOR = """
# Saving with file descriptor
with open('net.npz', 'wb') as f:
    ckpt.save_var_collection(f, net.vars())

# Loading with file descriptor
with open('net.npz', 'rb') as  f:
    ckpt.load_var_collection(f, net.vars())
"""

CHECKPOINTING = """
import ckpt
import objax

# Let's pretend we have a neural network net and we want to save it.
net = objax.nn.Sequential([objax.nn.Linear(768, 1), objax.functional.sigmoid])

# This time we use the Checkpoint class
ckpt = ckpt.Checkpoint(logdir='save_folder', keep_ckpts=5)

# Saving
ckpt.save(net.vars(), idx=1)
net[0].b.assign(net[0].b.value + 1)
ckpt.save(net.vars(), idx=2)

# Restoring
ckpt.restore(net.vars(), idx=1)   # net[0].b.value = (0,)
ckpt.restore(net.vars(), idx=2)   # net[0].b.value = (1,)

# When no epoch is specified use latest checkpoint (e.g. 2 here)
idx, file = ckpt.restore(net.vars())
print(idx, file)  # 2 save_folder/ckpt/0000000002.npz
"""

PICKLING = """
import pickle
import objax

# Let's pretend we have a neural network net and we want to save it as whole.
net = objax.nn.Sequential([objax.nn.Linear(768, 1), objax.functional.sigmoid])

# Pickling
pickle.dump(net, open('net.pickle', 'wb'))

# Unpickling and storing into a new network
net2 = pickle.load(open('net.pickle', 'rb'))

# Confirm the network net2 has the same function as net
x = objax.random.normal((100, 768))
print(((net(x) - net2(x)) ** 2).mean())  # 0.0

# Confirm the network net2 does not share net's weights
net[0].b.assign(net[0].b.value + 1)
print(((net(x) - net2(x)) ** 2).mean())  # 0.038710583
"""


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_saving_and_loading_weights(capsys) -> None:
    exec(WEIGHTS, {})

    assert capsys.readouterr().out == "1.0\n0.0\n"


def test_a_file_descriptor(capsys) -> None:
    page: dict = {}
    exec(WEIGHTS, page)
    exec("net[0].b.assign(net[0].b.value + 1)" + DESCRIPTOR, page)

    assert page["net"][0].b.value.sum() == 1


def test_only_whole_files_appear() -> None:
    """The note: a temporary file first, renamed when all is written."""
    exec(WEIGHTS, {})

    assert [path.name for path in Path().iterdir()] == ["net.npz"]


def test_checkpointing(capsys) -> None:
    page: dict = {}
    exec(CHECKPOINTING, page)

    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "2 save_folder/ckpt/0000000002.npz"
    net, checkpoint = page["net"], page["ckpt"]
    checkpoint.restore(net.vars(), idx=1)
    assert net[0].b.value.tolist() == [0]
    checkpoint.restore(net.vars(), idx=2)
    assert net[0].b.value.tolist() == [1]


def test_the_fields_of_the_class_are_those_documented() -> None:
    assert ckpt.Checkpoint.DIR_NAME == "ckpt"
    assert ckpt.Checkpoint.FILE_MATCH == "*.npz"
    assert ckpt.Checkpoint.FILE_FORMAT == "%010d.npz"
    assert ckpt.Checkpoint.LOAD_FN is ckpt.load_var_collection
    assert ckpt.Checkpoint.SAVE_FN is ckpt.save_var_collection


def test_a_child_class_may_redefine_the_fields() -> None:
    import objax

    class Mine(ckpt.Checkpoint):
        DIR_NAME: str = "mine"
        FILE_MATCH: str = "*.ckpt"
        FILE_FORMAT: str = "%05d.ckpt"
        LOAD_FN = staticmethod(objax.io.load_var_collection)
        SAVE_FN = staticmethod(objax.io.save_var_collection)

    net = objax.nn.Linear(3, 2)
    mine = Mine(logdir="save_folder", keep_ckpts=1)
    mine.save(net.vars(), idx=1)
    mine.save(net.vars(), idx=2)

    assert mine.restore(net.vars()) == (2, "save_folder/mine/00002.ckpt")
    assert [path.name for path in Path("save_folder/mine").iterdir()] == ["00002.ckpt"]


@pytest.mark.xfail(
    raises=pickle.PicklingError,
    strict=True,
    reason="nothing of ckpt's: with the jax that it runs with, objax cannot pickle its sigmoid",
)
def test_a_module_can_be_pickled() -> None:
    exec(PICKLING, {})


def test_a_collection_of_ckpts_own_can_be_pickled() -> None:
    saved = ckpt.VarCollection({"w": np.ones(2)})

    assert pickle.loads(pickle.dumps(saved))["w"].value.tolist() == [1, 1]
