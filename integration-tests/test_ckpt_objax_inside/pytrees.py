"""States of flax, optax and equinox as they are, each restored into a fresh one."""

from __future__ import annotations

import equinox as eqx
import flax
import jax
import jax.numpy as jn
import numpy as np
import optax
import pytest
from flax.training.train_state import TrainState

import ckpt


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


class Net(flax.linen.Module):
    """Two layers, one of them of half precision."""

    @flax.linen.compact
    def __call__(self, x):
        x = flax.linen.relu(flax.linen.Dense(4)(x))
        return flax.linen.Dense(3, param_dtype=jn.bfloat16)(x)


def flax_state(seed: int) -> TrainState:
    net = Net()
    params = net.init(jax.random.PRNGKey(seed), jn.ones((1, 2)))
    schedule = optax.cosine_decay_schedule(1e-3, 10)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule))
    state = TrainState.create(apply_fn=net.apply, params=params, tx=optimizer)
    for _ in range(seed):
        state = state.apply_gradients(grads=jax.tree_util.tree_map(jn.ones_like, state.params))
    return state


def equinox_state(seed: int) -> dict:
    model = eqx.nn.MLP(2, 2, 4, 2, key=jax.random.PRNGKey(seed))
    optimizer = optax.adam(1e-3).init(eqx.filter(model, eqx.is_array))
    return {"model": model, "optimizer": optimizer, "epoch": seed, "key": jax.random.key(seed)}


def module_in_a_dict(seed: int) -> dict:
    return {"model": eqx.nn.Linear(2, 1, key=jax.random.PRNGKey(seed)), "none": None}


def frozen(seed: int) -> flax.core.FrozenDict:
    return flax.core.freeze({"params": {"w": jn.full((2, 3), seed, jn.float32)}})


def plain(leaf):
    """What two equal leaves have in common; functions are compared as they are."""
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return str(leaf.dtype), jax.random.key_data(leaf).tolist()
    if isinstance(leaf, jax.Array):
        return leaf.dtype, leaf.shape, np.asarray(leaf).tobytes()
    return type(leaf), leaf


@pytest.mark.parametrize("make", [flax_state, equinox_state, module_in_a_dict, frozen])
def test_a_state_comes_back_as_what_it_was(make) -> None:
    saved = make(2)
    fresh = ckpt.tree_variables(make(0))
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=1, verbose=False)
    checkpoint.save(ckpt.tree_variables(saved), 2)

    restored = checkpoint.restore(fresh)

    assert (restored.missing, restored.unused) == ((), ())
    assert restored.loaded
    assert type(fresh.tree) is type(saved)
    arrays = [eqx.filter(tree, eqx.is_array_like) for tree in (saved, fresh.tree)]
    before, after = (list(map(plain, jax.tree_util.tree_leaves(tree))) for tree in arrays)
    assert before == after


def test_training_goes_on_from_a_restored_state() -> None:
    saved = flax_state(3)
    fresh = ckpt.tree_variables(flax_state(0))
    ckpt.save_var_collection("state.npz", ckpt.tree_variables(saved))
    ckpt.load_var_collection("state.npz", fresh)
    gradients = jax.tree_util.tree_map(jn.ones_like, saved.params)

    one, other = (state.apply_gradients(grads=gradients) for state in (saved, fresh.tree))

    assert one.step == other.step == 4
    leaves = [list(map(plain, jax.tree_util.tree_leaves(state.params))) for state in (one, other)]
    assert leaves[0] == leaves[1]
