"""Whatever plain data can say comes back, and what it cannot say is refused."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch_saveload._plain import Encoder
from torch_saveload._registry import KnownTypes
from torch_saveload._unplain import Decoder, Undecodable

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
keys = st.integers() | st.text() | st.tuples(st.integers(), st.text())
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.just("$"), inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
        | st.sets(keys, max_size=3)
        | st.frozensets(keys, max_size=3)
    ),
    max_leaves=10,
)


def refuse(*_):
    raise Undecodable("here", "no modules here")


def encoder():
    return Encoder(KnownTypes(object), lambda _: None)


def decode(data):
    return Decoder(KnownTypes(object), refuse).decode(data, "it")


def strict_equal(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(strict_equal, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(strict_equal(left[k], right[k]) for k in left)
    return (left == right and repr(left) == repr(right)) or isinstance(left, (set, frozenset))


@given(values)
def test_values_come_back_through_json(value):
    data = json.loads(json.dumps(encoder().encode(value, "it"), allow_nan=False))
    assert strict_equal(decode(data), value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
forms = st.sampled_from(
    [
        "tuple",
        "set",
        "frozenset",
        "dict",
        "OrderedDict",
        "int",
        "float",
        "complex",
        "bytes",
        "bytearray",
        "slice",
        "range",
        "ellipsis",
        "path",
        "dtype",
        "device",
        "tensor",
        "numpy",
        "enum",
        "namedtuple",
        "dataclass",
        "registered",
        "class",
        "function",
        "partial",
        "module",
        "same",
        "default",
        "__init__",
        "__class__",
    ]
)


@given(
    forms,
    st.dictionaries(
        st.sampled_from(
            [
                "items",
                "hex",
                "real",
                "imag",
                "base64",
                "value",
                "name",
                "dtype",
                "shape",
                "type",
                "fields",
                "data",
                "function",
                "args",
                "kwargs",
                "config",
                "module",
            ]
        ),
        json_values,
    ),
)
def test_any_form_gives_a_value_or_a_typed_error(form, entries):
    with contextlib.suppress(Undecodable):
        decode({**entries, "$": form})


@pytest.mark.parametrize(
    "name", ["os.system", "nn.Module.__init__", "nn.functional.torch", "builtins.eval", "nn.os"]
)
@pytest.mark.parametrize("form", ["class", "function"])
def test_no_name_reaches_past_what_is_known(form, name):
    with pytest.raises(Undecodable, match="unknown name"):
        decode({"$": form, "name": name})


def test_nesting_has_an_end():
    value = []
    for _ in range(200):
        value = [value]
    with pytest.raises(Exception, match="nested more than 100 deep"):
        encoder().encode(value, "it")
    with pytest.raises(Undecodable, match="nested more than 100 deep"):
        decode(value)


@pytest.mark.parametrize(
    "around",
    [lambda v: [v], lambda v: (v,), lambda v: {"k": v}, lambda v: {1: v}, lambda v: slice(v)],
)
@pytest.mark.parametrize("value", [1, 1j, (), b"x"])
def test_what_is_nested_as_deep_as_it_may_be_comes_back(around, value):
    for _ in range(99):
        value = around(value)
    assert decode(encoder().encode(value, "it")) == value
