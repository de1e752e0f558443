"""Loading checks everything, then changes something; and gives back what was saved."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import (
    ClassMismatchError,
    CorruptError,
    FormatError,
    StateMismatchError,
    save_load,
)
from torch_saveload._file import ModelFile


def values(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_one_error_lists_all_that_differs_and_nothing_changes(net):
    Net = net()
    other = Net(3, ("a", "c"))
    other.c = nn.Linear(3, 2).double()
    other.a = nn.Linear(4, 2)
    other.register_buffer("b", torch.zeros(1))
    Net(3, ("a", "b", "c")).save("net.pth")
    before = values(other)

    with pytest.raises(StateMismatchError) as caught:
        other.load("net.pth")

    assert caught.value.differences == (
        "a.weight: float32 [2, 3] in the file, float32 [2, 4] in the model",
        "c.bias: float32 in the file, float64 in the model (dtype= converts)",
        "c.weight: float32 in the file, float64 in the model (dtype= converts)",
        "b: missing in the file",
        "b.bias: not in the model",
        "b.weight: not in the model",
    )
    assert "which is unchanged" in str(caught.value)
    assert equal(values(other), before)


def test_another_class_is_refused_naming_both(net):
    net()().save("net.pth")

    @save_load()
    class Other(nn.Module): ...

    for load in (Other.load, Other().load):
        with pytest.raises(ClassMismatchError, match=r"holds a net.*Net, not a .*Other"):
            load("net.pth")


def test_a_base_class_loads_the_subclass_that_was_saved(net):
    Base = net()

    class Child(Base):
        def __init__(self):
            super().__init__(5)

    Child().save("child.pth")
    assert type(Base.load("child.pth")) is Child
    with pytest.raises(ClassMismatchError):
        Base().save("base.pth") or Child.load("base.pth")


def test_partial_takes_what_fits_and_reports_the_rest(net, caplog):
    Net = net()
    saved, model = Net(3, ("a", "b")), Net(3, ("b", "c"))
    model.b.bias = nn.Parameter(torch.zeros(7))
    saved.save("net.pth")
    before = values(model)
    with caplog.at_level(logging.INFO, "torch_saveload"):
        report = model.load("net.pth", partial=True)

    assert report.loaded == ("b.weight",)
    assert report.missing == ("c.weight", "c.bias")
    assert report.unexpected == ("a.bias", "a.weight")
    assert report.differing == ("b.bias: float32 [2] in the file, float32 [7] in the model",)
    assert not report.complete
    assert str(report) in caplog.text
    assert torch.equal(model.b.weight, saved.b.weight)
    assert torch.equal(model.c.weight, before["c.weight"])


def test_partial_with_include_and_rename_crosses_classes(net):
    Net = net()
    saved = Net(3, ("encoder", "head"))
    saved.save("net.pth")

    @save_load()
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Linear(3, 2)
            self.head = nn.Linear(3, 2)

    model = Other()
    before = values(model)
    report = model.load(
        "net.pth", partial=True, include="backbone.*", rename={"encoder": "backbone"}
    )
    assert report.loaded == ("backbone.weight", "backbone.bias")
    assert report.complete
    assert torch.equal(model.backbone.weight, saved.encoder.weight)
    assert torch.equal(model.head.weight, before["head.weight"])


def test_the_empty_beginning_is_that_of_all_other_names(net):
    Small, Large = net(), net()
    saved, model = Small(names=("a", "b")), Large(names=("e",))
    saved.save("net.pth")
    model.e = nn.ModuleDict({"a": nn.Linear(3, 2), "c": nn.Linear(3, 2)})
    model.load("net.pth", rename={"": "e", "b": "e.c"})
    assert torch.equal(model.e["a"].weight, saved.a.weight)
    assert torch.equal(model.e["c"].weight, saved.b.weight)


def test_two_names_that_are_renamed_to_one_are_an_error(net):
    Net = net()
    Net().save("net.pth")
    model = Net()
    before = values(model)
    with pytest.raises(StateMismatchError, match=r"b\.bias: both a\.bias and b\.bias of the file"):
        model.load("net.pth", partial=True, rename={"a": "b"})
    assert equal(values(model), before)
    swapped = model.load("net.pth", rename={"a": "b", "b": "a"})
    assert swapped.complete
    assert torch.equal(model.a.weight, Net.load("net.pth").b.weight)


def test_a_load_that_takes_nothing_is_logged_as_a_warning(net, caplog):
    net()().save("net.pth")
    report = net()().load("net.pth", include="mispelt.*")
    assert report.loaded == ()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


class Tied(nn.Module):
    def __init__(self, tie=True):
        super().__init__()
        self.emb = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        if tie:
            self.head.weight = self.emb.weight


Tied = save_load()(Tied)


def test_ties_come_back_whether_made_in_init_or_later():
    late = Tied(tie=False)
    late.head.weight = late.emb.weight
    for model in (Tied(), late):
        model.save("tied.pth")
        loaded = Tied.load("tied.pth")
        assert loaded.head.weight is loaded.emb.weight
        assert torch.equal(loaded.emb.weight, model.emb.weight)


def test_an_untied_file_into_a_tied_model_is_an_error():
    Tied(tie=False).save("untied.pth")
    model = Tied()
    with pytest.raises(
        StateMismatchError,
        match=r"emb\.weight and head\.weight: one parameter in the model, two different",
    ):
        model.load("untied.pth")


def test_a_tied_file_into_an_untied_model_fills_both():
    saved, model = Tied(), Tied(tie=False)
    saved.save("tied.pth")
    model.load("tied.pth")
    assert torch.equal(model.head.weight, saved.emb.weight)
    assert model.head.weight is not model.emb.weight


def test_lazy_parameters_take_the_shape_of_the_file():
    @save_load()
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.LazyLinear(2)

    model = Lazy()
    model.fc(torch.ones(1, 7))
    model.save("lazy.pth")
    loaded = Lazy.load("lazy.pth")
    assert torch.equal(loaded.fc.weight, model.fc.weight)


def test_training_after_a_load_leaves_the_file_alone(net):
    Net = net()
    Net().save("net.pth")
    before = Path("net.pth").read_bytes()
    model = Net.load("net.pth")
    for parameter in model.parameters():
        parameter.data.fill_(7)
    assert Path("net.pth").read_bytes() == before


def test_a_model_is_saved_over_the_file_it_came_from(net):
    Net = net()
    Net().save("net.pth")
    model = Net.load("net.pth")
    model.save("net.pth")
    Net().save("net.pth")
    assert not torch.equal(Net.load("net.pth").a.weight, model.a.weight)


def test_a_rotten_bit_is_noticed_and_verify_false_lets_it_in(net):
    Net = net()
    Net().save("net.pth")
    data = bytearray(Path("net.pth").read_bytes())
    data[ModelFile(Path("net.pth")).index.tensors["a.weight"].offset] ^= 1
    Path("net.pth").write_bytes(data)
    model = Net()
    before = values(model)
    for load in (Net.load, model.load):
        with pytest.raises(CorruptError, match=r"\(a\.weight\).*verify=False") as caught:
            load("net.pth")
        assert caught.value.names == ("a.weight",)
    assert equal(values(model), before)
    Net.load("net.pth", verify=False)


def test_a_rotten_compressed_tensor_changes_nothing(net):
    Net = net()
    model = Net(300)
    nn.init.ones_(model.b.weight)
    model.save("net.pth", compress=True)
    data = bytearray(Path("net.pth").read_bytes())
    record = ModelFile(Path("net.pth")).index.tensors["b.weight"]  # those before it are sound
    assert record.blocks is not None
    data[record.offset + record.size // 2] ^= 1
    Path("net.pth").write_bytes(data)
    other = Net(300)
    before = values(other)
    with pytest.raises(CorruptError):
        other.load("net.pth")
    assert equal(values(other), before)


def test_a_missing_file_is_a_file_not_found_error(net):
    with pytest.raises(FileNotFoundError):
        net().load("none.pth")


def test_something_else_is_no_model_file(net):
    Path("x.pth").write_text("hello")
    with pytest.raises(FormatError, match=r"x\.pth: not a zip file"):
        net().load("x.pth")
