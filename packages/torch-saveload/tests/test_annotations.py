"""The types of arguments are found wherever annotations name them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, NewType, TypeVar

import pytest
from torch import nn
from typing_extensions import TypeAliasType

from torch_saveload import save_load


class Color(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int


@dataclass
class Options:
    color: Color = Color.RED


@dataclass
class Inherited(Options):
    size: int = 3


class Pixel(NamedTuple):
    color: Color
    at: Point


@dataclass
class Tree:
    left: Tree | None = None
    right: Tree | None = None
    options: list[Options] | None = None


class Lazily:
    """As an alias whose value names what only type checkers import."""

    @property
    def __value__(self):
        raise NameError("Unknown")


Lazily.__module__ = "typing"


def model_with(hint, value):
    def __init__(self, value):
        nn.Module.__init__(self)
        self.value = value

    __init__.__annotations__ = {"value": hint}
    return save_load()(type("Net", (nn.Module,), {"__init__": __init__}))(value)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        ("Options", Options()),
        (Options | None, Options()),
        (Inherited, Inherited(Color.RED)),
        (Pixel, Pixel(Color.RED, Point(3))),
        (dict[str, tuple[Options, ...]], Options()),
        (Annotated[Point, Lazily(), "in pixels"], Point(3)),
        (type[Options], Options()),
        (Literal[Color.RED], Color.RED),
        (TypeAliasType("Either", Options | Point), Point(3)),
        (NewType("Chosen", Options), Options()),
        (TypeVar("O", bound=Options), Options()),
        (Tree, Tree(Tree(), Tree(options=[Options()]))),
    ],
    ids=str,
)
def test_a_type_that_is_named_is_known(hint, value):
    model = model_with(hint, value)
    model.save("net.pth")
    assert type(model).load("net.pth").value == value
