"""The five examples of the documentation, each with what it promises."""

import pytest
import torch
from torch import nn

from torch_saveload import save_load


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return list(left) == list(right) and all(torch.equal(left[k], right[k]) for k in left)


def test_basic_usage():
    @save_load()
    class MyModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(10, 5)

    my_model = MyModel()
    my_model.save("my_model.pth")
    loaded = MyModel.load("my_model.pth")

    assert type(loaded) is MyModel
    assert loaded is not my_model
    assert same(loaded, my_model)


def test_custom_methods_and_hooks():
    seen = []

    @save_load(
        save_method_name="custom_save",
        load_method_name="custom_load",
        pre_save_hook=lambda module: seen.append(("save", module)),
        post_load_hook=lambda module: seen.append(("load", module)),
    )
    class CustomModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(10, 5)

    model = CustomModel()
    model.custom_save("custom_model.pth")
    loaded = CustomModel.custom_load("custom_model.pth")

    assert seen == [("save", model), ("load", loaded)]
    assert not hasattr(model, "save")


def test_partial_loading():
    @save_load(partial_load=True)
    class PartialModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(10, 5)

    model = PartialModel()
    model.save("partial_model.pth")

    assert same(PartialModel.load("partial_model.pth"), model)


def test_version_compatibility():
    @save_load(version="1.0")
    class VersionedModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(10, 5)

    model = VersionedModel()
    model.save("versioned.pth")

    assert same(VersionedModel.load("versioned.pth"), model)
    assert torch.load("versioned.pth", weights_only=True)["version"] == "1.0"


def test_loading_on_an_instance_loads_into_it():
    @save_load()
    class Net(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.fc = nn.Linear(width, 2)

    first, second = Net(3), Net(3)
    weight = second.fc.weight
    first.save("net.pth")
    report = second.load("net.pth")

    assert same(first, second)
    assert second.fc.weight is weight
    assert report.complete
    assert report.loaded == ("fc.weight", "fc.bias")


def test_init_and_load_builds_with_the_saved_arguments():
    @save_load(init_and_load_classmethod_name="from_file")
    class Net(nn.Module):
        def __init__(self, width, *, bias=True):
            super().__init__()
            self.fc = nn.Linear(width, 2, bias=bias)

    Net(7, bias=False).save("net.pth")
    loaded = Net.from_file("net.pth")

    assert loaded.fc.in_features == 7
    assert loaded.fc.bias is None


def test_overwrite_false_keeps_the_file():
    @save_load()
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(1, 1)

    first = Net()
    first.save("net.pth")
    with pytest.raises(FileExistsError, match="nothing was written"):
        Net().save("net.pth", overwrite=False)

    assert same(Net.load("net.pth"), first)


def test_strict_false_lets_names_be_missing_and_left_over(caplog):
    @save_load()
    class Net(nn.Module):
        def __init__(self, names):
            super().__init__()
            for name in names:
                setattr(self, name, nn.Linear(2, 2))

    old, new = Net(["a", "b"]), Net(["b", "c"])
    old.save("net.pth")
    report = new.load("net.pth", strict=False)

    assert torch.equal(new.b.weight, old.b.weight)
    assert report.missing == ("c.weight", "c.bias")
    assert report.unexpected == ("a.bias", "a.weight")
    assert "not in the model (a.bias, a.weight)" in caplog.text
