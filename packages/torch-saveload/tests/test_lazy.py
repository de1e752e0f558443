"""Loading on the class skips initial weights where it can, and is right where it cannot."""

import copy
import functools
import logging
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from torch_saveload import save_load
from torch_saveload._on_meta import free_on_meta

KEPT = []


@pytest.fixture(autouse=True)
def every_parameter_is_replaced(monkeypatch):
    """As only large ones are otherwise."""
    monkeypatch.setattr("torch_saveload._lazy.SMALL", 0)


@pytest.fixture
def only_large_ones_are_replaced(every_parameter_is_replaced, monkeypatch):
    monkeypatch.setattr("torch_saveload._lazy.SMALL", 1024)


def decorated(init):
    def __init__(self):
        nn.Module.__init__(self)
        init(self)

    return save_load()(type("Net", (nn.Module,), {"__init__": __init__}))


def plain(self):
    self.fc = nn.Linear(3, 4)
    self.emb = nn.Embedding(5, 3, padding_idx=0)
    self.norm = nn.BatchNorm1d(4)
    self.scale = nn.Parameter(torch.ones(3))
    self.stack = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(2)])
    self.attention = nn.MultiheadAttention(4, 2)
    self.rnn = nn.LSTM(3, 3)


def cloned(self):
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def initialised(self):
    self.a = nn.Linear(4, 4)
    nn.init.orthogonal_(self.a.weight)
    nn.init.trunc_normal_(self.a.bias)
    self.apply(lambda m: nn.init.zeros_(m.weight) if isinstance(m, nn.Linear) else None)
    self.a.weight.data.normal_()


def tied(self):
    self.a = nn.Linear(3, 3)
    self.b = nn.Linear(3, 3)
    self.b.weight = self.a.weight


def tied_by_a_local(self):
    weight = nn.Parameter(torch.randn(3, 3))
    self.a = nn.Linear(3, 3)
    self.b = nn.Linear(3, 3)
    self.a.weight = weight
    self.b.weight = weight


def marked(self):
    self.w = nn.Parameter(torch.randn(3))
    self.w.no_decay = True


def listed_after(self):
    self.w = nn.Parameter(torch.randn(3))
    self.all = [self.w]


def schedule(self):
    self.w = nn.Parameter(torch.randn(3))
    self.steps = [x.item() for x in torch.linspace(0, 1, 3)]
    self.register_buffer("table", torch.linspace(0, 1, 3), persistent=False)


def pretrained(self):
    self.fc = nn.Linear(3, 3)
    self.fc.load_state_dict({"weight": torch.ones(3, 3), "bias": torch.ones(3)})


LAZY = [
    plain, cloned, initialised, tied, tied_by_a_local, marked, listed_after, schedule, pretrained
]  # fmt: skip


def reads_item(self):
    self.w = nn.Parameter(torch.randn(3))
    self.first = self.w[0].item()


def branches(self):
    self.w = nn.Parameter(torch.randn(3))
    self.sign = 1 if (self.w.sum() > 0) else -1


def lists_before(self):
    w = nn.Parameter(torch.randn(3))
    self.all = [w]
    self.w = w


def keeps_globally(self):
    w = nn.Parameter(torch.randn(3))
    KEPT.append(w)
    self.w = w


def views_as_buffer(self):
    w = nn.Parameter(torch.randn(3))
    self.register_buffer("first", w.detach()[:1])
    self.w = w


def computes_buffer(self):
    self.w = nn.Parameter(torch.randn(3))
    self.register_buffer("twice", self.w.detach() * 2, persistent=False)


def computes_attribute(self):
    self.w = nn.Parameter(torch.randn(3))
    self.kept = {"deep": [(self.w * 2,)]}


def closes_over(self):
    self.w = nn.Parameter(torch.randn(3))
    double = self.w.detach() * 2
    self.f = lambda: double


def binds_partial(self):
    self.w = nn.Parameter(torch.randn(3))
    self.f = functools.partial(torch.add, self.w.detach() * 2)


class Slotted:
    __slots__ = ("tensor",)


def hides_in_slots(self):
    self.w = nn.Parameter(torch.randn(3))
    self.slotted = Slotted()
    self.slotted.tensor = self.w.detach() * 2


def sets_data(self):
    self.w = nn.Parameter(torch.randn(3))
    self.w.data = torch.ones(3)


CONSTANT = torch.zeros(3)


def shares_a_constant(self):
    self.w = nn.Parameter(CONSTANT)


def keeps_the_device(self):
    self.w = nn.Parameter(torch.randn(3))
    self.device = self.w.device


def keeps_the_name_of_the_device(self):
    self.w = nn.Parameter(torch.randn(3))
    self.device = str(self.w.device)


def hooks_a_parameter(self):
    self.w = nn.Parameter(torch.randn(3))
    self.w.register_hook(lambda grad: grad * 2)


def double_gradient(w):
    w.grad *= 2


def watches_a_gradient(self):
    self.w = nn.Parameter(torch.randn(3))
    self.w.register_post_accumulate_grad_hook(double_gradient)


def marks_with_a_tensor(self):
    self.w = nn.Parameter(torch.randn(3))
    self.w.twice = self.w.detach() * 2


def old_weight_norm(self):
    self.fc = nn.Linear(3, 3)
    torch.nn.utils.spectral_norm(self.fc)


def parametrized(self):
    self.fc = parametrizations.weight_norm(nn.Linear(3, 3))
    self.gc = parametrizations.spectral_norm(nn.Linear(3, 3))


def unsaved_parameter(self):
    self.w = nn.Parameter(torch.randn(3))
    self.other = nn.Linear(2, 2)
    self._register_state_dict_hook(lambda _, state, prefix, __: state.pop("other.weight"))
    self.register_load_state_dict_pre_hook(lambda *_: None)


def state_made_by_a_hook(self):
    self.w = nn.Parameter(torch.randn(3))

    def double(_, state, prefix, __):
        state[f"{prefix}w"] = state[f"{prefix}w"] * 2

    def halve(state, prefix, *_):
        state[f"{prefix}w"] = state[f"{prefix}w"] / 2

    self._register_state_dict_hook(double)
    self._register_load_state_dict_pre_hook(halve)


def lazy_layer(self):
    self.fc = nn.LazyLinear(2)
    self.fc(torch.ones(1, 3))


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return self.fc(x) * 2


def scripted(self):
    self.fc = torch.jit.script(Doubled())


def traced(self):
    self.fc = torch.jit.trace(Doubled(), torch.ones(1, 3))


ORDINARY = [
    reads_item, branches, lists_before, keeps_globally, views_as_buffer, computes_buffer,
    computes_attribute, closes_over, binds_partial, hides_in_slots, sets_data, shares_a_constant,
    old_weight_norm, keeps_the_device, keeps_the_name_of_the_device, hooks_a_parameter,
    watches_a_gradient, marks_with_a_tensor, scripted, traced,
]  # fmt: skip
EITHER = [parametrized, lazy_layer, state_made_by_a_hook]


def load_and_compare(init):
    cls = decorated(init)
    model = cls()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    model.save("net.pth")
    loaded = cls.load("net.pth")
    assert not any(tensor.is_meta for tensor in loaded.state_dict().values())
    expected = model.state_dict()
    assert list(loaded.state_dict()) == list(expected)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert [type(p) for p in loaded.parameters()] == [type(p) for p in model.parameters()]
    return model, loaded


@pytest.mark.parametrize("init", LAZY, ids=lambda f: f.__name__)
def test_initial_weights_are_not_computed(init, monkeypatch):
    def ordinary(*_):
        raise AssertionError("built the ordinary way")

    monkeypatch.setattr("torch_saveload._new.NewModel._made_ordinarily", ordinary)
    model, loaded = load_and_compare(init)
    assert len(list(loaded.parameters())) == len(list(model.parameters()))


@pytest.mark.filterwarnings("ignore:.*is deprecated")
@pytest.mark.parametrize("init", ORDINARY, ids=lambda f: f.__name__)
def test_a_model_that_needs_its_parameters_is_built_the_ordinary_way(init, caplog):
    from torch_saveload._new import NewModel

    with pytest.MonkeyPatch.context() as patch:
        calls = []
        ordinary = NewModel._made_ordinarily
        patch.setattr(
            NewModel, "_made_ordinarily", lambda *args: calls.append(1) or ordinary(*args)
        )
        load_and_compare(init)
    assert calls == [1]


@pytest.mark.parametrize("init", EITHER, ids=lambda f: f.__name__)
def test_others_come_back_equal_in_any_case(init):
    load_and_compare(init)


@pytest.mark.filterwarnings("ignore:.*is deprecated")
@pytest.mark.usefixtures("only_large_ones_are_replaced")
@pytest.mark.parametrize("init", [*LAZY, *ORDINARY, *EITHER], ids=lambda f: f.__name__)
def test_small_parameters_come_back_equal_without_being_replaced(init):
    load_and_compare(init)


@pytest.mark.usefixtures("only_large_ones_are_replaced")
def test_small_and_large_parameters_of_one_model_come_back_equal():
    def both(self):
        self.fc = nn.Linear(50, 50)
        self.out = nn.Linear(50, 2)
        self.out.bias.requires_grad_(False)
        self.register_buffer("mean", self.out.weight.detach().mean(0), persistent=False)

    model, loaded = load_and_compare(both)
    assert [p.requires_grad for p in loaded.parameters()] == [True, True, True, False]
    half = type(model).load("net.pth", dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    assert torch.equal(half.fc.bias, model.fc.bias.bfloat16())


def test_what_depends_on_a_parameter_still_does():
    _, loaded = load_and_compare(lists_before)
    assert loaded.all[0] is loaded.w
    _, loaded = load_and_compare(listed_after)
    assert loaded.all[0] is loaded.w
    _, loaded = load_and_compare(views_as_buffer)
    assert loaded.first.data_ptr() == loaded.w.data_ptr()
    _, loaded = load_and_compare(marked)
    assert loaded.w.no_decay
    _, loaded = load_and_compare(tied_by_a_local)
    assert loaded.a.weight is loaded.b.weight
    _, loaded = load_and_compare(schedule)
    assert loaded.steps == [0, 0.5, 1]


def test_devices_and_hooks_are_those_of_an_ordinary_model():
    assert load_and_compare(keeps_the_device)[1].device == torch.device("cpu")
    assert load_and_compare(keeps_the_name_of_the_device)[1].device == "cpu"
    for init in (hooks_a_parameter, watches_a_gradient):
        _, loaded = load_and_compare(init)
        loaded.w.sum().backward()
        assert loaded.w.grad.tolist() == [2, 2, 2]


def test_a_parameter_that_the_file_lacks_is_computed():
    cls = decorated(plain)
    cls().save("net.pth")
    index_without = torch.load("net.pth", weights_only=True)
    assert "scale" in index_without["model"]

    def more(self):
        plain(self)
        self.extra = nn.Parameter(torch.full((2,), 7.0))

    other = decorated(more)
    loaded = other.load("net.pth", strict=False)
    assert loaded.extra.tolist() == [7, 7]


def test_lazily_loaded_models_train_copy_and_save(tmp_path):
    _, loaded = load_and_compare(plain)
    twin = copy.deepcopy(loaded)
    optimizer = torch.optim.SGD(loaded.parameters(), lr=0.1)
    loaded.fc(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(loaded.fc.weight, twin.fc.weight)
    loaded.save("net.pth")
    assert torch.equal(type(loaded).load("net.pth").fc.weight, loaded.fc.weight)


def test_two_parameters_of_shared_memory_stay_two():
    def shared(self):
        self.a = nn.Parameter(torch.randn(3))
        self.b = nn.Parameter(torch.randn(3))

    cls = decorated(shared)
    model = cls()
    model.b.data = model.a.data
    model.save("net.pth")
    loaded = cls.load("net.pth")
    loaded.a.data.fill_(5)
    assert torch.equal(loaded.b, model.b)


def test_the_reason_for_the_ordinary_way_is_logged(caplog):
    with caplog.at_level(logging.DEBUG, "torch_saveload"):
        load_and_compare(reads_item)
    assert "is built the ordinary way: Tensor.item() cannot be called on meta" in caplog.text


def test_normal_weights_are_skipped_without_importing_the_compiler():
    """On the meta device torch's own ``normal_`` does, for a second."""
    code = """
import sys, torch
from torch import nn
from torch_saveload import save_load
from torch_saveload._on_meta import free_on_meta

@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(100, 100)
        nn.init.orthogonal_(self.emb.weight)
        self.emb.weight.data.normal_(std=0.02)
        self.register_buffer("noise", torch.zeros(3).normal_(), persistent=False)

model = Net()
model.save("net.pth")
own = torch.Tensor.normal_
loaded = Net.load("net.pth")
assert torch.equal(loaded.emb.weight, model.emb.weight)
assert loaded.noise.any()
assert torch.Tensor.normal_ is own
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_filters_of_warnings_that_a_model_sets_stay_and_ours_goes():
    @save_load()
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            warnings.filterwarnings("ignore", "of the library that the model needs")
            self.layer = nn.Linear(3, 3)

    with warnings.catch_warnings():
        Net().save("net.pth")
        before = list(warnings.filters)
        warnings.resetwarnings()
        other = warnings.catch_warnings()  # as another thread does meanwhile
        with free_on_meta():
            other.__enter__()
        Net.load("net.pth")
        assert [found[1].pattern for found in warnings.filters] == [before[0][1].pattern]
        other.__exit__(None, None, None)
        assert warnings.filters == []
