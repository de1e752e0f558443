"""Nested dicts and lists."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import ckpt


def test_a_tree_is_restored_in_place() -> None:
    layers = [np.zeros(1), {"b": np.float32(2)}]
    tree = {"encoder": {"w": np.ones(2)}, "layers": layers, "step": 3, "name": "net", "fn": print}
    vc = ckpt.tree_variables(tree)
    assert sorted(vc) == ["encoder/w", "layers/0", "layers/1/b", "step"]
    ckpt.save_var_collection("tree.npz", vc)
    for variable in vc.values():
        variable.assign(type(variable.value)(variable.value * 0) if np.ndim(variable.value) == 0
                        else variable.value * 0)  # fmt: skip

    ckpt.load_var_collection("tree.npz", vc)

    assert tree["encoder"]["w"].tolist() == [1, 1]
    assert layers[1]["b"] == np.float32(2)
    assert type(layers[1]["b"]) is np.float32
    assert tree["step"] == 3
    assert type(tree["step"]) is int
    assert tree["name"] == "net"
    assert vc.tree is tree


def test_names_that_collide_are_refused() -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match=r"'a/b'.*two leaves"):
        ckpt.tree_variables({"a": {"b": 1}, "a/b": 2})


@pytest.mark.skipif("jax" in sys.modules, reason="jax is there")
def test_what_only_jax_can_rebuild_says_so() -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match=r"'state/0'.*a tuple.*import jax first"):
        ckpt.tree_variables({"state": [(np.ones(1),)]})


def test_variables_in_a_tree_are_those_that_are_restored() -> None:
    variable = ckpt.Var(np.ones(2))
    tree = {"net": {"w": variable}, "step": 3}
    ckpt.save_var_collection("tree.npz", ckpt.tree_variables(tree))
    variable.assign(np.zeros(2))

    ckpt.load_var_collection("tree.npz", ckpt.tree_variables(tree))

    assert tree["net"]["w"] is variable
    assert variable.value.tolist() == [1, 1]


def test_what_has_variables_of_its_own_is_not_passed_over() -> None:
    torch = pytest.importorskip("torch")

    with pytest.raises(
        ckpt.UnsupportedValueError, match=r"'state/model'.*Linear.*torch_variables"
    ):
        ckpt.tree_variables({"state": {"model": torch.nn.Linear(2, 1)}, "step": 3})
    assert list(ckpt.tree_variables({"kind": torch.nn.Linear, "step": 3})) == ["step"]
