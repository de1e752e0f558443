"""Files that torch.save wrote: state_dicts, and those of the original decorators."""

import copy
import pickle

import pytest
import torch
from torch import nn

from torch_saveload import ConfigError, FormatError, UntrustedError


def assert_same(model, other):
    torch.testing.assert_close(model.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_a_bare_state_dict_loads_into_an_instance(net):
    Net = net()
    saved, model = Net(), Net()
    torch.save(saved.state_dict(), "state.pth")
    model.load("state.pth")
    assert_same(saved, model)
    with pytest.raises(ConfigError, match="build the model and call load on it"):
        Net.load("state.pth")


def test_so_does_the_state_dict_in_the_checkpoint_of_a_trainer(net):
    Net = net()
    saved, model = Net(), Net()
    torch.save({"epoch": 3, "state_dict": saved.state_dict()}, "epoch=3.ckpt")
    assert model.load("epoch=3.ckpt").complete
    assert_same(saved, model)


def test_the_format_of_torch_before_1_6_is_read_as_well(net):
    Net = net()
    saved, model = Net(), Net()
    torch.save(saved.state_dict(), "old.pth", _use_new_zipfile_serialization=False)
    assert model.load("old.pth").complete
    assert_same(saved, model)
    torch.save(nn.Linear(3, 2), "module.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(UntrustedError, match="trust=True"):
        model.load("module.pth")


def test_the_originals_files_load_and_need_trust_only_for_their_arguments(net):
    Net = net(version="1.0")
    saved, model = Net(4), Net(4)
    config = pickle.dumps(((4,), {"names": ("a", "b")}))
    torch.save({"model": saved.state_dict(), "config": config, "version": "1.0"}, "old.pth")
    model.load("old.pth")
    assert_same(saved, model)
    with pytest.raises(UntrustedError, match=r"its arguments are pickled.*trust=True"):
        Net.load("old.pth")
    assert_same(Net.load("old.pth", trust=True), saved)


@pytest.mark.parametrize("odd", [torch.eye(2).to_sparse(), torch.ones(2, 3, device="meta")])
def test_an_odd_tensor_in_a_state_dict_changes_nothing(net, odd):
    model = net()()
    before = copy.deepcopy(model)
    torch.save({**net()().state_dict(), "b.weight": odd}, "odd.pth")
    with pytest.raises(FormatError, match=r"tensor 'b\.weight' is no ordinary one"):
        model.load("odd.pth")
    assert_same(model, before)


def test_a_file_that_torch_only_unpickles_needs_trust(net):
    Net = net()
    model = Net()
    torch.save(nn.Sequential(nn.Linear(3, 2)), "module.pth")
    with pytest.raises(UntrustedError, match="trust=True"):
        model.load("module.pth")
