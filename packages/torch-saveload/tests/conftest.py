import pytest
import torch
from torch import nn

from torch_saveload import save_load


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Each test works in a folder of its own, away from the real home."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(work)
    torch.manual_seed(0)
    return work


@pytest.fixture
def net():
    """Make a decorated class, ``net(version="1.0")``; its models have the layers they are told."""

    def make(**parameters):
        @save_load(**parameters)
        class Net(nn.Module):
            def __init__(self, width=3, names=("a", "b")):
                super().__init__()
                for name in names:
                    setattr(self, name, nn.Linear(width, 2))

        return Net

    return make
