"""Checked by mypy and pyright, never run."""

from typing import assert_type

from torch import nn

from torch_saveload import LoadReport, SaveLoad, save_load


@save_load(version="1.0")
class Plain(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width


assert_type(Plain(3), Plain)
assert_type(Plain(3).width, int)


@save_load()
class Mixed(nn.Module, SaveLoad):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width


class Child(Mixed): ...


model = Mixed(3)
assert_type(model.save("m.pth", overwrite=False), None)
assert_type(Mixed.load("m.pth"), Mixed)
assert_type(Child.load("m.pth", partial=True), Child)
assert_type(model.load("m.pth", include=["a.*"], rename={"a": "b"}), LoadReport)
assert_type(Mixed.init_and_load("m.pth").width, int)
Mixed.load(3)  # expected error
model.save()  # expected error
Mixed("three")  # expected error
