"""A dataclass that is an argument comes back as it was, also in what are no fields of it."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from functools import cached_property

import pytest
from torch import nn

from torch_saveload import UnsaveableError, save_load
from torch_saveload._plain import Encoder
from torch_saveload._registry import KnownTypes
from torch_saveload._unplain import Decoder, Undecodable


@dataclass
class Options:
    width: int
    heads: int = 2
    scale: InitVar[int] = 1

    def __post_init__(self, scale):
        self.head_width = self.width // self.heads * scale

    @cached_property
    def area(self):
        return self.width**2

    def method(self): ...


@save_load()
class Net(nn.Module):
    def __init__(self, options: Options):
        super().__init__()
        self.options = options
        self.fc = nn.Linear(options.width, options.head_width)


def test_what_post_init_computed_is_there():
    options = Options(8, scale=3)
    assert options.area == 64
    Net(options).save("net.pth")
    loaded = Net.load("net.pth").options
    assert (loaded, loaded.head_width, loaded.area) == (options, 12, 64)
    options.log = print
    with pytest.raises(UnsaveableError, match=r"argument options\.log is the function print"):
        Net(options=options).save("net.pth")


@pytest.mark.parametrize("name", ["method", "area", "width", "__class__", "__post_init__"])
def test_no_file_replaces_what_the_class_has(name):
    known = KnownTypes(Net)
    data = Encoder(known, lambda _: None).encode(Options(4), "options")
    data["others"] = {name: 3}
    with pytest.raises(Undecodable, match=f"{name} of Options is not to be replaced"):
        Decoder(known, lambda *_: None).decode(data, "options")
