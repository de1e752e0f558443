"""objax's modules, optimizers and files, written by one and read by the other."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jn
import numpy as np
import objax
import objax.zoo.convnet
import pytest

import ckpt


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def linear() -> objax.VarCollection:
    return objax.nn.Sequential([objax.nn.Linear(3, 2), objax.nn.BatchNorm0D(2)]).vars()


def convolutional() -> objax.VarCollection:
    return objax.zoo.convnet.ConvNet(1, 3, scales=1, filters=4, filters_max=8).vars()


def trained(kind):
    """A network, an optimizer of it that has made a step, and its average: many references."""

    def make() -> objax.VarCollection:
        net = objax.nn.Linear(3, 2)
        optimizer = kind(net.vars())
        average = objax.optimizer.ExponentialMovingAverage(net.vars(), momentum=0.9)
        loss = objax.GradValues(lambda x: (net(x) ** 2).mean(), net.vars())
        gradients, _ = loss(jn.ones((4, 3)))
        optimizer(lr=0.1, grads=gradients)
        average()
        return (
            net.vars("net") + optimizer.vars("optimizer") + average.vars("average")
            + objax.random.Generator(3).vars("generator")
        )  # fmt: skip

    return make


COLLECTIONS = {
    "linear": linear,
    "convnet": convolutional,
    "dropout": lambda: objax.nn.Dropout(0.5).vars(),
    "sgd": trained(objax.optimizer.SGD),
    "momentum": trained(lambda vc: objax.optimizer.Momentum(vc, nesterov=True)),
    "adam": trained(objax.optimizer.Adam),
    "lars": trained(objax.optimizer.LARS),
}


@pytest.fixture(params=COLLECTIONS)
def make(request):
    return COLLECTIONS[request.param]


def values(vc) -> list[np.ndarray]:
    return [np.array(variable.value) for variable in vc.values()]


def equal(a, b) -> bool:
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def blank(vc) -> None:
    for variable in vc.values():
        getattr(variable, "ref", variable).assign(jn.zeros_like(variable.value))


@pytest.mark.parametrize("save", [ckpt.save_var_collection, objax.io.save_var_collection])
@pytest.mark.parametrize("load", [ckpt.load_var_collection, objax.io.load_var_collection])
@pytest.mark.parametrize("kind", ["path", "open file", "bytes"])
def test_what_one_writes_the_other_reads(make, save, load, kind) -> None:
    vc = make()
    before = values(vc)
    if kind == "path":
        save("v.npz", vc)
        blank(vc)
        load("v.npz", vc)
    elif kind == "open file":
        with Path("v.npz").open("wb") as file:
            save(file, vc)
        blank(vc)
        with Path("v.npz").open("rb") as file:
            load(file, vc)
    else:
        file = io.BytesIO()
        # objax disables seek by setting an attribute, which a BytesIO does not take
        ckpt.save_var_collection(file, vc)
        blank(vc)
        file.seek(0)
        load(file, vc)

    assert equal(before, values(vc))
    assert all(isinstance(variable.value, jax.Array) for variable in vc.values())


def test_both_store_the_same_names_and_arrays(make) -> None:
    vc = make()
    ckpt.save_var_collection("a.npz", vc)
    objax.io.save_var_collection("b.npz", vc)

    with np.load("a.npz") as a, np.load("b.npz") as b:
        assert a.files == b.files
        assert all(a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]) for key in a)


def test_a_folder_may_change_hands(make) -> None:
    vc = make()
    objax.io.Checkpoint("logs", keep_ckpts=3).save(vc, 1)
    before = values(vc)
    blank(vc)

    mine = ckpt.Checkpoint("logs", keep_ckpts=3)
    assert mine.restore(vc) == (1, "logs/ckpt/0000000001.npz")
    assert equal(before, values(vc))
    mine.save(vc, 2)
    blank(vc)

    assert objax.io.Checkpoint("logs", 3).restore(vc) == (2, "logs/ckpt/0000000002.npz")
    assert equal(before, values(vc))


@pytest.mark.parametrize(
    "rules",
    [
        {"(Linear)": "(Dense)", "[0]": ".first"},
        [(re.compile(r"\(.*?\)"), "")],
        lambda name: name.upper(),
    ],
    ids=["dict", "patterns", "function"],
)
def test_a_renamer_does_what_it_does_there(rules) -> None:
    vc = linear()
    renamer = objax.util.Renamer(rules)
    ckpt.save_var_collection("v.npz", vc)
    renamed = vc.rename(renamer)
    before = values(vc)
    blank(vc)

    ckpt.load_var_collection("v.npz", renamed, renamer=renamer)

    assert equal(before, values(vc))


def test_a_missing_variable_is_the_same_kind_of_error() -> None:
    vc = linear()
    ckpt.save_var_collection("v.npz", vc)
    more = vc + objax.VarCollection({"new": objax.TrainVar(jn.zeros(2))})

    for load in (ckpt.load_var_collection, objax.io.load_var_collection):
        with pytest.raises(ValueError, match="new"):
            load("v.npz", more)


def test_a_wrong_shape_is_the_same_kind_of_error_and_changes_nothing() -> None:
    ckpt.save_var_collection(
        "v.npz", {"a": objax.TrainVar(jn.ones(2)), "b": objax.TrainVar(jn.ones(3))}
    )
    other = objax.VarCollection(
        {"a": objax.TrainVar(jn.zeros(2)), "b": objax.TrainVar(jn.zeros(4))}
    )

    for load in (objax.io.load_var_collection, ckpt.load_var_collection):
        other["a"].assign(jn.zeros(2))
        with pytest.raises(AssertionError, match="b"):
            load("v.npz", other)
    assert other["a"].value.tolist() == [0, 0]  # objax leaves [1, 1] here


def test_a_network_of_another_depth_is_the_same_kind_of_error() -> None:
    """Some variables are missing then, and others have another shape."""

    def network(*widths: int) -> objax.VarCollection:
        sizes = zip((3, *widths), (*widths, 1), strict=True)
        return objax.nn.Sequential([objax.nn.Linear(*size) for size in sizes]).vars()

    ckpt.save_var_collection("v.npz", network(5))

    for load in (ckpt.load_var_collection, objax.io.load_var_collection):
        with pytest.raises(AssertionError, match="Linear"):
            load("v.npz", network(5, 7))


def test_a_list_is_the_same_kind_of_error() -> None:
    for kind in (ckpt.Checkpoint, objax.io.Checkpoint):
        with pytest.raises(AssertionError):
            kind("logs", 1).save([], 1)


def test_bfloat16_comes_back_here_and_is_refused_there_rather_than_misread() -> None:
    vc = objax.VarCollection({"w": objax.TrainVar(jn.array([1, 2.5, jn.nan], jn.bfloat16))})
    ckpt.save_var_collection("v.npz", vc)
    vc["w"].assign(jn.zeros(3, jn.bfloat16))
    with pytest.raises(TypeError):
        objax.io.load_var_collection("v.npz", vc)

    ckpt.load_var_collection("v.npz", vc)

    assert vc["w"].value.dtype == jn.bfloat16
    assert np.array(vc["w"].value).view(np.uint16).tolist() == [0x3F80, 0x4020, 0x7FC0]
    objax.io.save_var_collection("theirs.npz", vc)
    ckpt.load_var_collection("theirs.npz", vc)
    assert np.array(vc["w"].value).view(np.uint16).tolist() == [0x3F80, 0x4020, 0x7FC0]


def test_a_restored_network_runs_compiled_and_on() -> None:
    net = objax.nn.Linear(3, 2)
    run = objax.Jit(net)
    before = run(jn.ones((1, 3)))
    ckpt.save_var_collection("v.npz", net.vars())
    blank(net.vars())

    ckpt.load_var_collection("v.npz", net.vars())

    assert np.array_equal(before, run(jn.ones((1, 3))))


def test_variables_replicated_over_devices_stay_so() -> None:
    """As ``vc.replicate()`` has them, which itself does not run with this jax."""
    vc = objax.VarCollection({"w": objax.TrainVar(jn.arange(3.0))})
    vc.assign([jax.device_put_replicated(vc["w"].value, jax.local_devices())])
    sharding = vc["w"].value.sharding
    ckpt.save_var_collection("v.npz", vc)

    ckpt.load_var_collection("v.npz", vc)

    assert vc["w"].value.tolist() == [[0, 1, 2]]
    assert len(sharding.device_set) == len(vc["w"].value.sharding.device_set)


class State(NamedTuple):
    """As optax has them."""

    count: jax.Array
    moments: dict


@jax.tree_util.register_pytree_with_keys_class
class Layer:
    """As flax and equinox have them: an immutable node with a leaf that is no array."""

    def __init__(self, weight, activation):
        self.weight, self.activation = weight, activation

    def tree_flatten_with_keys(self):
        key = jax.tree_util.GetAttrKey
        return ((key("weight"), self.weight), (key("activation"), self.activation)), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


def test_any_pytree_of_jax_comes_back_rebuilt() -> None:
    def make(value):
        moments = {"w": jn.full((2,), value, jn.bfloat16)}
        return (Layer(jn.full((3,), value), jn.tanh), State(jn.array(int(value)), moments), None)

    saved = ckpt.tree_variables(make(2.0))
    assert sorted(saved) == ["0/weight", "1/count", "1/moments/w"]
    ckpt.save_var_collection("tree.npz", saved)
    restored = ckpt.tree_variables(make(0.0))

    ckpt.load_var_collection("tree.npz", restored)

    layer, state, nothing = restored.tree
    assert layer.weight.tolist() == [2, 2, 2]
    assert layer.activation is jn.tanh
    assert isinstance(state, State)
    assert state.count == 2
    assert state.moments["w"].dtype == jn.bfloat16
    assert state.moments["w"].tolist() == [2, 2]
    assert nothing is None


def test_numpy_is_the_one_that_objax_needs() -> None:
    assert np.__version__.startswith("1.26.")
