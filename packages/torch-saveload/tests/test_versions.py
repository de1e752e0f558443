"""Files of other versions: taken, refused, or led to the present by migrations."""

import logging

import pytest
import torch
from torch import nn

from torch_saveload import VersionMismatchError, save_load
from torch_saveload._versions import Migration, plan


def test_versions_of_one_major_number_load_and_say_so(net, caplog):
    net(version="1.0")().save("net.pth")
    net(version="1.4")().load("net.pth")
    assert "holds version 1.0 of" in caplog.text
    assert "which is at 1.4" in caplog.text


def test_versions_compare_as_numbers(net):
    net(version="1.0")().save("net.pth")
    net(version="1.0.0")().load("net.pth")


def test_another_major_version_is_refused(net):
    Old, New = net(version="1.0"), net(version="2.0")
    Old().save("net.pth")
    for load in (New.load, New().load):
        with pytest.raises(VersionMismatchError, match=r'migration\(from_="1.0", to="2.0"\)'):
            load("net.pth")


@pytest.mark.parametrize(("theirs", "ours"), [("1.0", None), (None, "2.0")])
def test_without_a_version_on_one_side_it_loads_and_says_so(net, theirs, ours, caplog):
    with caplog.at_level(logging.INFO, "torch_saveload"):
        net(version=theirs)().save("net.pth")
        net(version=ours).load("net.pth")
    assert "not compared" in caplog.text


def test_migrations_lead_there_in_a_chain(net):
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


def test_a_migration_of_a_subclass_is_for_its_own_files(net):
    def family(version):
        Parent = net(version=version)

        class Child(Parent):
            def __init__(self, width=3):
                super().__init__(width)

        return Parent, Child

    old, old_child = family("1.0")
    old(4).save("net.pth")
    old_child(4).save("child.pth")
    Net, Child = family("2.0")
    Net.migration(from_="1.0", to="2.0")(lambda config, state: state["a.bias"].fill_(1))
    Child.migration(from_="1.0", to="2.0")(lambda config, state: state["a.bias"].fill_(2))

    assert Net.load("net.pth").a.bias.tolist() == [1, 1]
    assert Child.load("child.pth").a.bias.tolist() == [2, 2]


def test_of_two_equal_migrations_the_latest_counts(net):
    """As a cell of a notebook may be mended and run again."""
    net(version="1.0")().save("net.pth")
    Net = net(version="2.0")
    for value in (1, 2):

        @Net.migration(from_="1.0", to="2.0")
        def fill(config, state, value=value):
            state["a.bias"].fill_(value)

    assert Net.load("net.pth").a.bias.tolist() == [2, 2]


def test_a_migration_that_makes_no_tensor_is_told(net):
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
