"""Loading checks everything, then changes something; and gives back what was saved."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import (
    ClassMismatchError,
    ConfigError,
    CorruptError,
    FormatError,
    StateMismatchError,
    UntrustedError,
    VersionMismatchError,
    save_load,
)
from torch_saveload._file import ModelFile
from torch_saveload._versions import Migration, plan


def net(**parameters):
    @save_load(**parameters)
    class Net(nn.Module):
        def __init__(self, width=3, names=("a", "b")):
            super().__init__()
            for name in names:
                setattr(self, name, nn.Linear(width, 2))

    return Net


def values(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_one_error_lists_all_that_differs_and_nothing_changes():
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


def test_another_class_is_refused_naming_both():
    net()().save("net.pth")

    @save_load()
    class Other(nn.Module): ...

    for load in (Other.load, Other().load):
        with pytest.raises(ClassMismatchError, match=r"holds a net.*Net, not a .*Other"):
            load("net.pth")


def test_a_base_class_loads_the_subclass_that_was_saved():
    Base = net()

    class Child(Base):
        def __init__(self):
            super().__init__(5)

    Child().save("child.pth")
    assert type(Base.load("child.pth")) is Child
    with pytest.raises(ClassMismatchError):
        Base().save("base.pth") or Child.load("base.pth")


def test_partial_takes_what_fits_and_reports_the_rest(caplog):
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


def test_partial_with_include_and_rename_crosses_classes():
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


def test_the_empty_beginning_is_that_of_all_other_names():
    Small, Large = net(), net()
    saved, model = Small(names=("a", "b")), Large(names=("e",))
    saved.save("net.pth")
    model.e = nn.ModuleDict({"a": nn.Linear(3, 2), "c": nn.Linear(3, 2)})
    model.load("net.pth", rename={"": "e", "b": "e.c"})
    assert torch.equal(model.e["a"].weight, saved.a.weight)
    assert torch.equal(model.e["c"].weight, saved.b.weight)


def test_two_names_that_are_renamed_to_one_are_an_error():
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


def test_a_load_that_takes_nothing_is_logged_as_a_warning(caplog):
    net()().save("net.pth")
    report = net()().load("net.pth", include="mispelt.*")
    assert report.loaded == ()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_half_stays_half_and_dtype_converts():
    Net = net()
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
    Net = net()
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
    assert equal(values(other), values(model))


def test_requires_grad_comes_back():
    Net = net()
    model = Net()
    model.a.requires_grad_(False)
    model.save("net.pth")
    loaded = Net.load("net.pth")
    assert [p.requires_grad for p in loaded.parameters()] == [False, False, True, True]


def test_map_location_says_where_the_new_model_lives():
    Net = net()
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


def test_training_after_a_load_leaves_the_file_alone():
    Net = net()
    Net().save("net.pth")
    before = Path("net.pth").read_bytes()
    model = Net.load("net.pth")
    for parameter in model.parameters():
        parameter.data.fill_(7)
    assert Path("net.pth").read_bytes() == before


def test_a_model_is_saved_over_the_file_it_came_from():
    Net = net()
    Net().save("net.pth")
    model = Net.load("net.pth")
    model.save("net.pth")
    Net().save("net.pth")
    assert not torch.equal(Net.load("net.pth").a.weight, model.a.weight)


def test_versions_of_one_major_number_load_and_say_so(caplog):
    net(version="1.0")().save("net.pth")
    net(version="1.4")().load("net.pth")
    assert "holds version 1.0 of" in caplog.text
    assert "which is at 1.4" in caplog.text


def test_versions_compare_as_numbers():
    net(version="1.0")().save("net.pth")
    net(version="1.0.0")().load("net.pth")


def test_another_major_version_is_refused():
    Old, New = net(version="1.0"), net(version="2.0")
    Old().save("net.pth")
    for load in (New.load, New().load):
        with pytest.raises(VersionMismatchError, match=r'migration\(from_="1.0", to="2.0"\)'):
            load("net.pth")


@pytest.mark.parametrize(("theirs", "ours"), [("1.0", None), (None, "2.0")])
def test_without_a_version_on_one_side_it_loads_and_says_so(theirs, ours, caplog):
    with caplog.at_level(logging.INFO, "torch_saveload"):
        net(version=theirs)().save("net.pth")
        net(version=ours).load("net.pth")
    assert "not compared" in caplog.text


def test_migrations_lead_there_in_a_chain():
    Old = net(version="1.0")
    saved = Old(3, names=("x",))
    saved.save("net.pth")

    @save_load(version="3.0")
    class Net(nn.Module):
        def __init__(self, size, extra):
            super().__init__()
            self.y = nn.Linear(size, 2)
            self.extra = extra

    Net.__qualname__ = Old.__qualname__

    @Net.migration(from_="1.0", to="2.0")
    def widths_are_sizes(config, state):
        config["size"] = config.pop("width")
        del config["names"]

    @Net.migration(from_="2.0", to="3.0")
    def x_is_y(config, state):
        config["extra"] = "new"
        for part in ("weight", "bias"):
            state[f"y.{part}"] = state.pop(f"x.{part}") * 2

    loaded = Net.load("net.pth")
    assert loaded.extra == "new"
    assert torch.equal(loaded.y.weight, saved.x.weight * 2)
    again = Net(3, None)
    again.load("net.pth")
    assert torch.equal(again.y.bias, saved.x.bias * 2)


@pytest.mark.parametrize("compress", [False, True])
def test_a_migration_may_change_tied_tensors_in_place(compress):
    def tied(version):
        @save_load(version=version)
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.x, self.y = nn.Linear(100, 100), nn.Linear(100, 100)
                self.x.weight = self.y.weight

        return Net

    saved, Net = tied("1.0")(), tied("2.0")
    saved.save("net.pth", compress=compress)

    @Net.migration(from_="1.0", to="2.0")
    def twice(config, state):
        state["x.weight"].mul_(2)
        state["y.bias"].zero_()

    loaded = Net.load("net.pth")
    assert loaded.x.weight is loaded.y.weight
    assert torch.equal(loaded.x.weight, saved.x.weight * 2)
    assert not loaded.y.bias.any()
    assert torch.equal(type(saved).load("net.pth").x.weight, saved.x.weight)


def test_a_migration_that_makes_no_tensor_is_told():
    Old = net(version="1.0")
    Old().save("net.pth")
    New = net(version="2.0")

    @New.migration(from_="1.0", to="2.0")
    def wrong(config, state):
        state["a.weight"] = 3

    with pytest.raises(TypeError, match=r"made a\.weight a int, not a tensor"):
        New.load("net.pth")


@pytest.mark.parametrize(
    ("steps", "found", "ours", "taken"),
    [
        (["1.0>2.0"], "1.0", "2.1", ["1.0>2.0"]),
        (["1.0>2.0"], "1.3", "2.0", ["1.0>2.0"]),
        (["1.0>2.0", "1.2>2.0"], "1.3", "2.1", ["1.2>2.0"]),
        (["1.0>1.1", "1.1>1.2"], "1.0", "1.3", ["1.0>1.1", "1.1>1.2"]),
        (["1.0>1.1"], "1.3", "1.4", []),
        (["1.0>2.0", "1.0>3.0", "2.0>3.0"], "1.0", "3.0", ["1.0>3.0"]),
        (["2.0>1.0"], "2.0", "1.0", ["2.0>1.0"]),
        (["1.5>2.0"], "1.3", "2.0", None),
        (["1.0>2.5"], "1.0", "2.1", None),
        (["1.0>2.0"], "1.0", "3.0", None),
    ],
)
def test_migrations_start_and_end_at_the_versions_that_are_near_enough(steps, found, ours, taken):
    migrations = [Migration(*step.split(">"), lambda *_: None) for step in steps]
    try:
        chain = plan(migrations, found, ours, path="net.pth", class_name="Net")
    except VersionMismatchError:
        assert taken is None
        return
    assert [f"{step.from_}>{step.to}" for step in chain] == taken


def test_a_rotten_bit_is_noticed_and_verify_false_lets_it_in():
    Net = net()
    Net().save("net.pth")
    data = bytearray(Path("net.pth").read_bytes())
    data[
        data.index(
            Net.load("net.pth")
            .a.weight.detach()
            .flatten()[0]
            .view(torch.int32)
            .item()
            .to_bytes(4, "little", signed=True)
        )
    ] ^= 1
    Path("net.pth").write_bytes(data)
    model = Net()
    before = values(model)
    for load in (Net.load, model.load):
        with pytest.raises(CorruptError, match=r"\(a\.weight\).*verify=False") as caught:
            load("net.pth")
        assert caught.value.names == ("a.weight",)
    assert equal(values(model), before)
    Net.load("net.pth", verify=False)


def test_a_rotten_compressed_tensor_changes_nothing():
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


def test_a_missing_file_is_a_file_not_found_error():
    with pytest.raises(FileNotFoundError):
        net().load("none.pth")


def test_something_else_is_no_model_file():
    Path("x.pth").write_text("hello")
    with pytest.raises(FormatError, match=r"x\.pth: not a zip file"):
        net().load("x.pth")


def test_a_bare_state_dict_loads_into_an_instance():
    Net = net()
    saved, model = Net(), Net()
    torch.save(saved.state_dict(), "state.pth")
    model.load("state.pth")
    assert equal(values(saved), values(model))
    with pytest.raises(ConfigError, match="build the model and call load on it"):
        Net.load("state.pth")


def test_the_originals_files_load_and_need_trust_only_for_their_arguments():
    import pickle

    Net = net(version="1.0")
    saved, model = Net(4), Net(4)
    config = pickle.dumps(((4,), {"names": ("a", "b")}))
    torch.save({"model": saved.state_dict(), "config": config, "version": "1.0"}, "old.pth")
    model.load("old.pth")
    assert equal(values(saved), values(model))
    with pytest.raises(UntrustedError, match=r"its arguments are pickled.*trust=True"):
        Net.load("old.pth")
    assert equal(values(Net.load("old.pth", trust=True)), values(saved))


def test_a_file_that_torch_only_unpickles_needs_trust():
    Net = net()
    model = Net()
    torch.save(nn.Sequential(nn.Linear(3, 2)), "module.pth")
    with pytest.raises(UntrustedError, match="trust=True"):
        model.load("module.pth")
