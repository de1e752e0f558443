"""What modules give by ``get_extra_state`` comes back, whatever it is and was."""

import pytest
import torch
from torch import nn

from torch_saveload import UnsaveableError, save_load


class Stateful(nn.Module):
    def __init__(self, extra):
        super().__init__()
        self.extra = extra

    def get_extra_state(self):
        return self.extra

    def set_extra_state(self, state):
        self.extra = state


def model_with(initial):
    @save_load()
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Stateful(initial)
            self.fc = nn.Linear(2, 2)

    return Net()


def test_plain_values_and_tensors_in_them_come_back():
    model = model_with({"steps": 0})
    model.part.extra = {"steps": (3, {4}), "mean": torch.ones(2)}
    model.save("net.pth")
    extra = type(model).load("net.pth").part.extra
    assert extra["steps"] == (3, {4})
    assert torch.equal(extra["mean"], torch.ones(2))


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "foreign.pth"])
@pytest.mark.parametrize("initial", [torch.ones(3), None, {}], ids=["tensor", "none", "dict"])
def test_a_tensor_need_not_be_like_the_first_one(initial, name):
    """As of fp8 layers, which give the bytes of their scales, once there are any."""
    model = model_with(initial)
    model.part.extra = torch.arange(5)
    if name == "foreign.pth":
        torch.save(model.state_dict(), name)
    else:
        model.save(name)
        assert torch.equal(type(model).load(name).part.extra, torch.arange(5))
    other = model_with(initial)
    type(other).__qualname__ = type(model).__qualname__
    report = other.load(name)
    assert report.complete
    assert "part._extra_state" in report.loaded
    assert torch.equal(other.part.extra, torch.arange(5))


def test_a_tensor_may_become_another_value():
    model = model_with(torch.ones(3))
    model.part.extra = {"steps": 3}
    model.save("net.pth")
    assert type(model).load("net.pth").part.extra == {"steps": 3}


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"f": print}, r"extra state part\._extra_state\['f'\] is the function print"),
        ([torch.eye(2).to_sparse()], r"tensor part\._extra_state\[0\] is in layout"),
        (torch.ones(2, device="meta"), r"tensor part\._extra_state is on the meta device"),
        ([torch.ones(2, device="meta")], r"part\._extra_state\[0\] is on the meta device"),
    ],
    ids=["function", "sparse", "meta", "meta in a list"],
)
def test_what_has_no_plain_form_is_refused_before_a_byte_is_written(extra, message, name, scratch):
    model = model_with(None)
    model.part.extra = extra
    with pytest.raises(UnsaveableError, match=message):
        model.save(name)
    assert not list(scratch.iterdir())
