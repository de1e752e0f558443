"""A loaded model has the dtypes, devices and flags that it had, or those asked for."""

import pytest
import torch
from torch import nn

from torch_saveload import StateMismatchError, save_load


@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)


def equal(model, other):
    left, right = model.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_half_stays_half_and_dtype_converts():
    model = Net().half()
    model.save("half.pth")
    assert Net.load("half.pth").a.weight.dtype == torch.float16
    assert Net.load("half.pth", dtype=torch.float64).a.weight.dtype == torch.float64
    full = Net()
    with pytest.raises(StateMismatchError, match="float16 in the file, float32 in the model"):
        full.load("half.pth")
    full.load("half.pth", dtype=torch.float32)
    assert torch.equal(full.a.weight, model.a.weight.float())


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, "float16"])
def test_a_dtype_that_weights_cannot_have_is_refused(dtype):
    Net().save("net.pth")
    for load in (Net.load, Net().load):
        with pytest.raises(ValueError, match="is no floating-point dtype like"):
            load("net.pth", dtype=dtype)


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.register_buffer("table", torch.linspace(0, 1, 2), persistent=False)
        self.register_buffer("counts", torch.arange(2), persistent=False)

    def forward(self, x):
        return self.fc(x * self.table)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("lazy", [True, False])
def test_buffers_that_are_not_saved_have_the_dtype_they_had(name, lazy, monkeypatch):
    if not lazy:
        monkeypatch.setattr("torch_saveload._new.NewModel._made_lazily", lambda *_: None)
    cls = save_load()(type("Table", (Table,), {}))
    model, x = cls().half(), torch.ones(1, 2).half()
    model.save(name)
    loaded = cls.load(name)
    assert loaded.table.dtype == torch.float16
    assert loaded.counts.dtype == torch.int64
    assert torch.equal(loaded(x), model(x))
    assert cls.load(name, dtype=torch.float64).table.dtype == torch.float64


def test_a_model_on_the_meta_device_gets_memory():
    cls = save_load()(type("Table", (Table,), {}))
    model = cls()
    model.fc.bias.requires_grad_(False)
    model.save("net.pth")
    with torch.device("meta"):
        other = cls()
    weight = other.fc.weight
    assert other.load("net.pth").complete
    assert other.fc.weight is weight
    assert type(weight) is nn.Parameter
    assert equal(other, model)


def test_requires_grad_comes_back():
    model = Net()
    model.a.requires_grad_(False)
    model.save("net.pth")
    loaded = Net.load("net.pth")
    assert [p.requires_grad for p in loaded.parameters()] == [False, False, True, True]


def test_map_location_says_where_the_new_model_lives():
    Net().save("net.pth")
    assert Net.load("net.pth", map_location="cpu").a.weight.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("lazy", [True, False])
def test_a_model_goes_straight_to_the_gpu_and_comes_back(lazy, monkeypatch):
    if not lazy:
        monkeypatch.setattr("torch_saveload._new.NewModel._made_lazily", lambda *_: None)
    cls = save_load()(type("Table", (Table,), {}))
    model = cls().half().cuda()
    model.save("net.pth")
    x = torch.ones(1, 2).half()
    loaded = cls.load("net.pth", device="cuda")
    assert {tensor.device.type for tensor in (*loaded.parameters(), *loaded.buffers())} == {"cuda"}
    assert torch.equal(loaded(x.cuda()), model(x.cuda()))
    assert cls.load("net.pth").fc.weight.device.type == "cpu"
    model.fc.weight.data.zero_()
    assert model.load("net.pth").complete
    assert torch.equal(model.fc.weight, loaded.fc.weight)
