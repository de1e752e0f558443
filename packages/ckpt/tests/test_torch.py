"""torch's objects come back exactly, also into ones that have not run yet."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

import ckpt

torch = pytest.importorskip("torch")


def make_net(dtype=torch.float32) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)
    ).to(dtype)


OPTIMIZERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "Adam-amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.01),
    "SGD-momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, centered=True, momentum=0.1),
    "Adagrad": lambda p: torch.optim.Adagrad(p),
    "Adafactor": lambda p: torch.optim.Adafactor(p),
    "Rprop": lambda p: torch.optim.Rprop(p),
    "LBFGS": lambda p: torch.optim.LBFGS(p, max_iter=3),
}


def train(net, optimizer, steps: int, generator: torch.Generator | None = None) -> None:
    dtype = next(net.parameters()).dtype
    for _ in range(steps):
        x = torch.randn(8, 3, generator=generator).to(dtype)

        def closure(x=x):
            optimizer.zero_grad()
            loss = (net(x) ** 2).mean()
            loss.backward()
            return loss

        optimizer.step(closure)


def identical(a, b) -> bool:
    """Whether two states are equal bit for bit."""
    if isinstance(a, torch.Tensor):
        bits = [t.contiguous().reshape(-1).view(torch.uint8) for t in (a, b)]
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*bits)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(identical, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def moved(saved: ckpt.VarCollection, restored: ckpt.VarCollection) -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(file, saved)
    ckpt.load_var_collection(file, restored)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_bit_for_bit_in_fresh_objects(kind, dtype) -> None:
    if dtype == torch.bfloat16 and kind in ("LBFGS", "Adafactor"):
        dtype = torch.float32  # torch itself does not train so
    net, draw = make_net(dtype), torch.Generator().manual_seed(1)
    optimizer = OPTIMIZERS[kind](net.parameters())
    train(net, optimizer, 3, draw)
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.torch_variables(net, optimizer, draw))
    train(net, optimizer, 3, draw)

    net2, draw2 = make_net(dtype), torch.Generator()
    optimizer2 = OPTIMIZERS[kind](net2.parameters())
    ckpt.load_var_collection(file, ckpt.torch_variables(net2, optimizer2, draw2))
    train(net2, optimizer2, 3, draw2)

    assert identical(net.state_dict(), net2.state_dict())
    assert identical(optimizer.state_dict(), optimizer2.state_dict())
    assert torch.equal(draw.get_state(), draw2.get_state())


def test_one_collection_serves_a_whole_training(tmp_path) -> None:
    """The optimizer has no state when the collection is made."""
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters())
    vc = ckpt.torch_variables(net, optimizer)
    checkpoint = ckpt.Checkpoint(tmp_path, keep_ckpts=3, verbose=False)
    states = {}
    for idx in (1, 2, 3):
        checkpoint.save(vc, idx)
        states[idx] = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
        train(net, optimizer, 1)

    for idx in (2, 1, 3):
        checkpoint.restore(vc, idx)
        assert identical(states[idx], (net.state_dict(), optimizer.state_dict()))


def test_a_checkpoint_from_before_the_first_step_empties_the_state() -> None:
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters())
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.torch_variables(optimizer))
    train(net, optimizer, 1)

    ckpt.load_var_collection(file, ckpt.torch_variables(optimizer))

    assert optimizer.state_dict()["state"] == {}


def test_parameters_are_written_in_place() -> None:
    net, other = make_net(), make_net()
    weight = other[0].weight
    before = weight.data_ptr()
    with torch.no_grad():
        net[0].weight += 1

    moved(ckpt.torch_variables(net), ckpt.torch_variables(other))

    assert other[0].weight is weight
    assert weight.data_ptr() == before
    assert weight.requires_grad
    assert torch.equal(weight, net[0].weight)


def test_tied_weights_are_stored_once_and_stay_tied() -> None:
    def tied():
        net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    net, other = tied(), tied()
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.torch_variables(net))

    file.seek(0)
    with np.load(file) as found:
        assert found["names"].tolist() == ["model/0.weight", "model/0.bias", "model/1.bias"]
    ckpt.load_var_collection(file, ckpt.torch_variables(other))
    assert other[1].weight is other[0].weight
    assert torch.equal(other[1].weight, net[0].weight)


DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.float32, torch.float64, torch.bfloat16,
    torch.complex32, torch.complex64, torch.complex128,
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
    torch.uint16, torch.uint32, torch.uint64,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_comes_back_with_its_bit_patterns(dtype) -> None:
    bits = torch.arange(16 * 16, dtype=torch.int64).to(torch.uint8)
    if dtype == torch.bool:
        bits = bits % 2
    tensor = bits.view(dtype).reshape(4, -1)
    other = torch.zeros_like(tensor)

    moved(ckpt.torch_variables(x=tensor), ckpt.torch_variables(x=other))

    assert identical(tensor, other)


def test_bfloat16_says_what_it_is_to_numpy() -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.torch_variables(x=torch.ones(2, dtype=torch.bfloat16)))
    file.seek(0)

    with np.load(file) as found:
        assert found["1" if "1" in found.files else "0"].dtype == np.dtype([("bfloat16", "<u2")])


def test_a_tensor_that_is_not_contiguous_comes_back() -> None:
    tensor = torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)[::2]
    other = torch.zeros(4, 2, 3)[::2]

    moved(ckpt.torch_variables(x=tensor), ckpt.torch_variables(x=other))

    assert torch.equal(tensor, other)


def test_settings_come_back_and_so_does_the_schedule() -> None:
    net = make_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3, 3], gamma=0.5)
    for _ in range(2):
        train(net, optimizer, 1)
        scheduler.step()
    net2 = make_net()
    optimizer2 = torch.optim.SGD(net2.parameters(), lr=7.0)
    scheduler2 = torch.optim.lr_scheduler.MultiStepLR(optimizer2, [9], gamma=0.9)

    moved(ckpt.torch_variables(optimizer, scheduler), ckpt.torch_variables(optimizer2, scheduler2))

    assert optimizer2.param_groups[0]["lr"] == 0.05
    assert identical(scheduler.state_dict(), scheduler2.state_dict())
    assert type(scheduler2.milestones) is type(scheduler.milestones)


def test_a_state_in_another_dtype_than_its_parameter_keeps_it() -> None:
    """torch's own load_state_dict casts it to the parameter's."""
    net = make_net(torch.bfloat16)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    weight = net[0].weight
    optimizer.state[weight]["master"] = torch.full((4, 3), 1 / 3)
    net2 = make_net(torch.bfloat16)
    optimizer2 = torch.optim.SGD(net2.parameters(), lr=0.1)

    moved(ckpt.torch_variables(optimizer), ckpt.torch_variables(optimizer2))

    assert identical(optimizer.state[weight]["master"], optimizer2.state[net2[0].weight]["master"])


def test_another_kind_of_optimizer_is_refused_and_nothing_changes() -> None:
    net, net2 = make_net(), make_net()
    adam = torch.optim.Adam(net.parameters())
    train(net, adam, 1)
    sgd = torch.optim.SGD(net2.parameters(), lr=0.5)
    before = copy.deepcopy((net2.state_dict(), sgd.state_dict()))

    with pytest.raises(ckpt.StateMismatchError, match="another kind of optimizer: it has amsgrad"):
        moved(ckpt.torch_variables(net, adam), ckpt.torch_variables(net2, optimizer=sgd))

    assert identical(before, (net2.state_dict(), sgd.state_dict()))


def test_an_optimizer_of_other_parameters_is_refused_and_nothing_changes() -> None:
    net, net2 = make_net(), make_net()
    adam = torch.optim.Adam(net.parameters())
    train(net, adam, 1)
    adam2 = torch.optim.Adam(net2[0].parameters())
    before = copy.deepcopy(net2.state_dict())

    with pytest.raises(ValueError, match=r"groups have \[6\] parameters, those here \[2\]"):
        moved(ckpt.torch_variables(net, adam), ckpt.torch_variables(net2, adam2))

    assert identical(before, net2.state_dict())


def test_a_state_that_its_owner_refuses_leaves_all_as_they_were() -> None:
    class Odd:
        def __init__(self, state):
            self.state = state

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.state = "half way"
            if state["of"] == "another":
                raise KeyError("of")
            self.state = state

    net, net2 = make_net(), make_net()
    adam, adam2 = (torch.optim.Adam(n.parameters()) for n in (net, net2))
    train(net, adam, 1)
    odd = Odd({"of": "mine"})
    before = copy.deepcopy((net2.state_dict(), adam2.state_dict()))

    with pytest.raises(ckpt.StateMismatchError, match=r"'odd'.*KeyError: 'of'; nothing was"):
        moved(
            ckpt.torch_variables(net, adam, odd=Odd({"of": "another"})),
            ckpt.torch_variables(net2, adam2, odd=odd),
        )

    assert identical(before, (net2.state_dict(), adam2.state_dict()))
    assert odd.state == {"of": "mine"}


def test_a_missing_optimizer_is_named(tmp_path) -> None:
    net = make_net()

    with pytest.raises(ckpt.MissingVariablesError, match="'optimizer'"):
        moved(
            ckpt.torch_variables(net),
            ckpt.torch_variables(net, torch.optim.SGD(net.parameters(), lr=1)),
        )


def test_another_shape_is_refused_before_anything_is_assigned() -> None:
    net, other = make_net(), make_net()
    with torch.no_grad():
        net[0].weight += 1
    other[2] = torch.nn.Linear(5, 1)
    before = copy.deepcopy(other.state_dict())

    with pytest.raises(ckpt.ShapeMismatchError, match=r"'model/2.weight' has shape \(1, 5\)"):
        moved(ckpt.torch_variables(net), ckpt.torch_variables(other))

    assert identical(before, other.state_dict())


def test_names_are_by_kind_or_by_keyword() -> None:
    net = make_net()
    vc = ckpt.torch_variables(net, torch.Generator(), ema=copy.deepcopy(net), step=torch.ones(()))

    assert {name.split("/")[0] for name in vc} == {"model", "generator", "ema", "step"}
    with pytest.raises(ValueError, match="a keyword for each"):
        ckpt.torch_variables(net, net)
    with pytest.raises(TypeError, match="a dict"):
        ckpt.torch_variables({})
    with pytest.raises(TypeError, match="a list called 'x'"):
        ckpt.torch_variables(x=[])


def test_a_state_that_is_no_plain_data_is_refused() -> None:
    class Odd:
        def state_dict(self):
            return {"fn": print}

        def load_state_dict(self, state):
            raise AssertionError("never called")

    with pytest.raises(ckpt.UnsupportedValueError, match=r"'odd'.*builtin_function.* at fn"):
        ckpt.save_var_collection(io.BytesIO(), ckpt.torch_variables(odd=Odd()))


def test_anything_with_a_state_dict_comes_back_with_its_types() -> None:
    class Odd:
        def __init__(self, state):
            self.state = state

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.state = state

    state = {
        "none": None, "nan": float("nan"), "inf": float("inf"), "tiny": 5e-324, "big": 2**70,
        "text": "ünï", "pair": (1, [2.0, (True,)]), 3: {"$tensor": "no tensor"}, "x": {},
        (1, 2): torch.ones(2, dtype=torch.bfloat16), "scalar": torch.tensor(3),
    }  # fmt: skip
    other = Odd(None)

    moved(ckpt.torch_variables(odd=Odd(state)), ckpt.torch_variables(odd=other))

    assert identical(state, other.state)


def test_a_modules_extra_state_comes_back() -> None:
    class Counting(torch.nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net, other = torch.nn.Sequential(Counting()), torch.nn.Sequential(Counting())
    net[0].count = 5

    moved(ckpt.torch_variables(net), ckpt.torch_variables(other))

    assert other[0].count == 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(2, 2).to_sparse(),
        lambda: torch.ones(2, device="meta"),
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    ],
    ids=["sparse", "meta", "quantized"],
)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_tensor_without_plain_values_is_refused(make) -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match=r"'x'.*no plain array"):
        ckpt.save_var_collection(io.BytesIO(), ckpt.torch_variables(x=make()))


def test_a_module_that_has_no_shapes_yet_is_refused_by_name() -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match=r"'model/weight'.*run once"):
        ckpt.save_var_collection(io.BytesIO(), ckpt.torch_variables(torch.nn.LazyLinear(2)))


def test_a_variable_of_ones_own_may_hold_a_tensor() -> None:
    vc = ckpt.VarCollection({"x": torch.ones(2, dtype=torch.bfloat16)})
    file = io.BytesIO()
    ckpt.save_var_collection(file, vc)
    vc["x"].assign(torch.zeros(2, dtype=torch.bfloat16))

    ckpt.load_var_collection(file, vc)

    assert identical(vc["x"].value, torch.ones(2, dtype=torch.bfloat16))


@pytest.mark.parametrize("only", ["optimizer/state/*", "*/exp_avg"])
def test_who_asks_for_a_part_of_a_state_gets_the_whole(only) -> None:
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters())
    train(net, optimizer, 2)
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.torch_variables(net, optimizer))
    net2 = make_net()
    optimizer2 = torch.optim.Adam(net2.parameters())

    found = ckpt.load_var_collection(file, ckpt.torch_variables(net2, optimizer2), only=only)

    assert "optimizer" in found.loaded
    assert not any(name.startswith("model/") for name in found.loaded)
    assert identical(optimizer2.state_dict(), optimizer.state_dict())
