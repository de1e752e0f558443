"""A bar shows what takes longer than a second, and only that."""

from contextlib import contextmanager

import pytest
from torch import nn

from torch_saveload import _progress, save_load


@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(100, 100)


@pytest.fixture
def bars(monkeypatch):
    shown = {}

    @contextmanager
    def bar(label, total):
        shown[label] = [total, 0]

        def advance(count):
            shown[label][1] += count

        yield advance

    monkeypatch.setattr(_progress, "progress_bar", bar)
    return shown


def test_slow_saves_and_loads_say_how_far_they_are(bars, monkeypatch):
    monkeypatch.setattr(_progress, "PATIENCE_S", 0)
    Net().save("net.pth")
    Net.load("net.pth")
    assert bars["save net.pth"] == [40_400, 40_400]
    assert bars["verify net.pth"] == [40_400, 40_400]
    model = Net()
    model.fc.weight.data.zero_()
    for name, compress in (("small.pth", True), ("net.safetensors", False)):
        model.save(name, compress=compress)
        assert bars[f"save {name}"] == [40_400, 40_400]


def test_quick_ones_say_nothing(bars, monkeypatch):
    monkeypatch.setattr(_progress, "PATIENCE_S", 3600)
    Net().save("net.pth")
    Net.load("net.pth")
    assert bars == {}
