"""The arguments of the outermost __init__, as they were when it was called."""

import copy
import dataclasses
import enum
import functools
import inspect
import pickle
import threading
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Generic, NamedTuple, TypeVar

import pytest
import torch
from torch import nn

from torch_saveload import ConfigError, UnsaveableError, register_type, save_load


class Color(enum.Enum):
    RED = 1


class Mask(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass(frozen=True)
class Options:
    width: int
    color: Color = Color.RED


@dataclasses.dataclass
class Unset:
    field: int


@save_load()
class Encoder(nn.Module):
    def __init__(self, width, depth=1):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@save_load()
class Any_(nn.Module):
    """Takes anything and keeps it."""

    def __init__(
        self, first, /, second=2, *rest, third: Options | Color | Point | Mask = None, **named
    ):
        super().__init__()
        self.given = (first, second, rest, third, named)


def again(model):
    model.save("model.pth")
    return type(model).load("model.pth")


def test_every_kind_of_parameter():
    model = Any_(1, "two", 3.0, None, third=Color.RED, a=True, b=[1])
    assert again(model).given == model.given


def test_defaults_are_saved_too():
    assert Any_(1)._config == {"first": 1, "second": 2, "rest": [], "third": None, "named": {}}


@pytest.mark.parametrize(
    "value",
    [
        (1, (2, [3])),
        {1, 2},
        frozenset({"a"}),
        {"a": 1, 2: "b", (1, 2): None},
        {"$": "tuple", "items": []},
        b"\x00\xff",
        2**80,
        -(2**63) - 1,
        float("inf"),
        1e-300,
        complex(1, -0.0),
        slice(1, None, 2),
        range(3),
        ...,
        torch.float16,
        torch.device("cpu"),
        torch.channels_last,
        torch.Size([1, 2]),
        "surrogate \ud800",
        Path("a/b"),
        PurePosixPath("/a"),
        PureWindowsPath("c:/a"),
        nn.GELU,
        nn.functional.gelu,
    ],
    ids=repr,
)
def test_a_plain_value_comes_back_equal_and_of_its_type(value):
    found = again(Any_(value)).given[0]
    assert found == value
    assert type(found) is type(value)


def test_nan_negative_zero_partial_and_tensor_come_back():
    given = (float("nan"), -0.0, functools.partial(nn.LayerNorm, eps=1e-6), torch.arange(3))
    nan, zero, partial, tensor = again(Any_(given)).given[0]
    assert str(nan) == "nan"
    assert str(zero) == "-0.0"
    assert partial.func is nn.LayerNorm
    assert partial.keywords == {"eps": 1e-6}
    assert torch.equal(tensor, torch.arange(3))


def test_a_tensor_that_requires_grad_still_does():
    given = again(Any_((torch.ones(2, requires_grad=True), torch.ones(2)))).given[0]
    assert [tensor.requires_grad for tensor in given] == [True, False]


def test_numpy_values_come_back_as_such():
    np = pytest.importorskip("numpy")
    scalar, array = again(Any_((np.float32(0.1), np.arange(6).reshape(2, 3)))).given[0]
    assert type(scalar) is np.float32
    assert scalar == np.float32(0.1)
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_annotated_dataclasses_enums_and_named_tuples_come_back():
    for value in (Options(3), Color.RED, Point(1, 2), Mask.A, Mask.A | Mask.B, Mask(0)):
        assert again(Any_(1, third=value)).given[3] == value


def test_an_unknown_type_says_how_it_becomes_known():
    class Secret(enum.Enum):
        A = 1

    model = Any_(Secret.A)
    with pytest.raises(UnsaveableError, match=r"argument first is a .*Secret.*register_type\("):
        model.save("model.pth")


def test_a_registered_type_goes_through_its_functions():
    class Celsius:
        def __init__(self, degrees):
            self.degrees = degrees

    register_type(Celsius, lambda c: c.degrees, Celsius, name="test.Celsius")
    assert again(Any_([Celsius(3)])).given[0][0].degrees == 3


def test_two_types_of_one_name_are_refused():
    register_type(Color, name="test.Color")
    with pytest.raises(ValueError, match="pass another name="):
        register_type(Point, name="test.Color")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (threading.Lock(), r"argument first is a lock.*register_type\(lock"),
        (lambda: 1, "argument first is the function .*lambda"),
        ([1, {"k": lambda: 1}], r"argument first\[1\]\['k'\] is the function"),
        (nn.Linear(1, 1), r"a Linear, a module that is not decorated.*@save_load\(\)"),
        (torch.zeros(100_000), "float32 tensor of shape.*after it is built"),
        (Options, "argument first is the class Options"),
        (Unset.__new__(Unset), r"argument first is not to be read \(AttributeError"),
    ],
)
def test_what_has_no_plain_form_builds_but_is_not_saved(value, message, scratch):
    model = Any_(value)
    with pytest.raises(UnsaveableError, match=message):
        model.save("model.pth")
    assert list(scratch.iterdir()) == []


def test_a_call_that_inspect_does_not_understand_still_builds(monkeypatch):
    def bind(*_, **__):  # as before Python 3.13 with names of positional-only ones in **named
        raise TypeError("'first' parameter is positional only")

    monkeypatch.setattr(inspect.Signature, "bind", bind)
    model = Any_(1, first=3)
    assert model.given[4] == {"first": 3}
    with pytest.raises(UnsaveableError, match=r"its call of __init__ is not understood"):
        model.save("model.pth")


def test_a_default_without_a_plain_form_is_left_to_the_class():
    lock = threading.Lock()

    @save_load()
    class Net(nn.Module):
        def __init__(self, lock=lock, width=3):
            super().__init__()
            self.lock, self.width = lock, width

    loaded = again(Net(width=4))
    assert loaded.lock is lock
    assert loaded.width == 4


def test_a_body_that_changes_its_arguments_changes_nothing():
    @save_load()
    class Net(nn.Module):
        def __init__(self, sizes, more=[]):  # noqa: B006
            super().__init__()
            self.seen = list(sizes), list(more)
            sizes.append(9)
            more.append(9)

    model = Net([1, 2])
    assert again(model).seen == ([1, 2], [])


def test_the_outermost_init_counts_in_a_family():
    @save_load()
    class Parent(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.fc = nn.Linear(width, 1)

    class Child(Parent):
        def __init__(self, half, *, name="x"):
            super().__init__(half * 2)
            self.name = name

    class GrandChild(Child): ...

    @save_load(version="2.0")
    class Other(Child):
        def __init__(self):
            super().__init__(1, name="other")

    assert again(Parent(4)).fc.in_features == 4
    assert again(Child(2, name="y")).name == "y"
    assert Child(2)._config == {"half": 2, "name": "x"}
    assert type(again(GrandChild(3))) is GrandChild
    assert Other()._config == {}
    assert again(Other()).fc.in_features == 2


def test_an_ordinary_init_before_the_decorated_one_is_the_outermost():
    class Named:
        def __init__(self, *args, name, **kwargs):
            super().__init__(*args, **kwargs)
            self.name = name

    @save_load()
    class Layer(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.fc = nn.Linear(width, 1)

    class NamedLayer(Named, Layer): ...

    loaded = again(NamedLayer(3, name="x"))
    assert (loaded.name, loaded.fc.in_features) == ("x", 3)


def test_a_default_before_more_arguments_stays_in_its_place():
    lock = threading.Lock()

    @save_load()
    class Net(nn.Module):
        def __init__(this, lock=lock, *rest, **named):
            super().__init__()
            this.given = lock, rest, named

    assert again(Net(lock, 3, self=4)).given == (lock, (3,), {"self": 4})


def test_cooperative_inheritance_still_reaches_every_init():
    class Base(nn.Module):
        def __init__(self, **kw):
            super().__init__()
            self.order = [*getattr(self, "order", []), "base"]

    @save_load()
    class A(Base): ...

    class B(Base):
        def __init__(self, **kw):
            super().__init__(**kw)
            self.order.append("b")

    class C(A, B): ...

    assert C(x=1).order == ["base", "b"]
    assert C(x=1)._config == {"kw": {"x": 1}}


def test_dataclass_modules():
    @save_load()
    @dataclasses.dataclass(eq=False)
    class Net(nn.Module):
        width: int
        options: Options = Options(1)

        def __post_init__(self):
            super().__init__()
            self.fc = nn.Linear(self.width, 1)

    loaded = again(Net(3, Options(2)))
    assert loaded.fc.in_features == 3
    assert loaded.options == Options(2)

    @dataclasses.dataclass(eq=False)
    class Child(Net):
        height: int = 1

    with pytest.raises(UnsaveableError, match=r"put @save_load\(\) above .*Child"):
        Child(1).save("child.pth")
    assert again(save_load()(Child)(2, height=5)).height == 5


def test_generic_classes():
    T = TypeVar("T")

    @save_load()
    class Net(nn.Module, Generic[T]):
        def __init__(self, width):
            super().__init__()
            self.width = width

    assert again(Net[int](3)).width == 3


def test_a_decorated_module_as_an_argument():
    @save_load()
    class Pair(nn.Module):
        def __init__(self, left, right, *more):
            super().__init__()
            self.left, self.right = left, right
            self.more = nn.ModuleList(more)

    encoder = Encoder(2, depth=2)
    loaded = again(Pair(encoder, encoder, Encoder(1)))
    assert loaded.left is loaded.right
    assert len(loaded.left.layers) == 2
    assert torch.equal(loaded.left.layers[1].weight, encoder.layers[1].weight)
    assert Encoder.__qualname__ in str(Pair(encoder, encoder)._config)


def test_a_module_argument_that_cannot_be_saved_is_named():
    @save_load()
    class Outer(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

    with pytest.raises(UnsaveableError, match="argument first is the function"):
        Outer(Any_(lambda: 1)).save("model.pth")


def test_wrong_arguments_fail_as_they_always_did():
    with pytest.raises(TypeError, match=r"Encoder\.__init__\(\) missing"):
        Encoder()


def test_signature_pickle_and_deepcopy_stay():
    assert list(inspect.signature(Encoder).parameters) == ["width", "depth"]
    model = Encoder(2, depth=3)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        loaded = again(other)
        assert len(loaded.layers) == 3
        assert torch.equal(loaded.layers[2].weight, model.layers[2].weight)


def test_script_compile_and_export_still_work():
    @save_load()
    class Net(nn.Module):
        def __init__(self, width=2):
            super().__init__()
            self.fc = nn.Linear(width, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x)

    model, x = Net(), torch.ones(1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(model).save("scripted.pt")
        assert torch.equal(torch.jit.load("scripted.pt")(x), model(x))
    compiled = torch.compile(model, backend="eager")
    assert torch.equal(compiled(x), model(x))
    exported = torch.export.export(model, (x,)).module()
    assert torch.equal(exported(x), model(x))


def test_an_attribute_that_replaces_the_record_is_noticed():
    @save_load()
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self._config = {"mine": 1}

    with pytest.raises(UnsaveableError, match="another config_instance_var_name"):
        Net().save("model.pth")

    @save_load(config_instance_var_name="_arguments")
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self._config = {"mine": 1}

    assert again(Other())._config == {"mine": 1}


def test_a_class_that_lost_a_parameter_says_so():
    def version(body):
        @save_load()
        class Net(nn.Module):
            __init__ = body

        return Net

    def old(self, width, gone=1):
        nn.Module.__init__(self)

    def new(self, width):
        nn.Module.__init__(self)

    version(old)(3).save("model.pth")
    with pytest.raises(ConfigError, match=r"argument gone: .* has no such parameter"):
        version(new).load("model.pth")


def test_a_part_that_cannot_be_built_any_more_says_why():
    @save_load()
    class Part(nn.Module):
        def __init__(self, **sizes):
            super().__init__()

    @save_load()
    class Whole(nn.Module):
        def __init__(self, part):
            super().__init__()

    Whole(Part(width=3)).save("model.pth")

    def lost(self):
        nn.Module.__init__(self)

    def failing(self, **sizes):
        raise RuntimeError("too wide")

    for init, why in (
        (
            lost,
            r"cannot build .*Part from .*argument sizes: .*Part\.__init__ has no such parameter",
        ),
        (failing, r".*Part\.__init__: RuntimeError: too wide"),
    ):
        body = {"__init__": init, "__qualname__": Part.__qualname__}
        Part = save_load()(type("Part", (nn.Module,), body))
        with pytest.raises(ConfigError, match=f"argument part: {why}"):
            Whole.load("model.pth")
