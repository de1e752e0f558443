"""Restoring a part, under other names, with another dtype, and what is reported of it."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

import ckpt


@pytest.fixture
def saved():
    """A checkpoint of an encoder and a head."""
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=3, verbose=False)
    names = ["encoder/w", "encoder/b", "head/w"]
    checkpoint.save(ckpt.VarCollection({name: np.ones(2) for name in names}), 1)
    return checkpoint


def zeros(*names: str) -> ckpt.VarCollection:
    return ckpt.VarCollection({name: np.zeros(2) for name in names})


@pytest.mark.parametrize("only", ["encoder/*", ["encoder/w", "encoder/b"]])
def test_only_a_part_is_restored(saved, only) -> None:
    vc = zeros("encoder/w", "encoder/b", "head/w")

    found = saved.restore(vc, only=only)

    assert found == (1, "logs/ckpt/0000000001.npz")
    assert found.loaded == ("encoder/w", "encoder/b")
    assert found.missing == ()
    assert found.unused == ("head/w",)
    assert vc["encoder/w"].value.tolist() == [1, 1]
    assert vc["head/w"].value.tolist() == [0, 0]


@pytest.mark.parametrize(
    "rename",
    [
        {"encoder/*": "backbone/*", "head/w": "top"},
        lambda name: name.replace("encoder", "backbone").replace("head/w", "top"),
    ],
)
def test_names_of_the_file_are_renamed(saved, rename) -> None:
    vc = zeros("backbone/w", "backbone/b", "top")

    found = saved.restore(vc, rename=rename)

    assert found.loaded == ("backbone/w", "backbone/b", "top")
    assert all(variable.value.tolist() == [1, 1] for variable in vc.values())


def test_what_is_missing_is_reported_if_that_is_allowed(saved) -> None:
    vc = zeros("encoder/w", "new")
    with pytest.raises(ckpt.MissingVariablesError):
        saved.restore(vc)

    found = saved.restore(vc, strict=False)

    assert found.loaded == ("encoder/w",)
    assert found.missing == ("new",)
    assert found.unused == ("encoder/b", "head/w")
    assert vc["new"].value.tolist() == [0, 0]


def test_a_dtype_changes_only_if_asked(saved) -> None:
    vc = ckpt.VarCollection({"encoder/w": np.zeros(2, np.float16), "head/w": np.zeros(2)})
    with pytest.raises(ckpt.DtypeMismatchError):
        saved.restore(vc)

    found = saved.restore(vc, cast=True)

    assert found.cast == {"encoder/w": ("float64", "float16")}
    assert vc["encoder/w"].value.dtype == np.float16
    assert vc["encoder/w"].value.tolist() == [1, 1]


def test_a_float_never_becomes_an_integer(saved) -> None:
    vc = ckpt.VarCollection({"encoder/w": np.zeros(2, np.int64)})

    with pytest.raises(ckpt.DtypeMismatchError, match="int64"):
        saved.restore(vc, cast=True)


def test_the_result_is_a_pair_that_survives_pickling(saved) -> None:
    found = saved.restore(zeros("head/w"))

    copy = pickle.loads(pickle.dumps(found))

    assert copy == found == (1, "logs/ckpt/0000000001.npz")
    assert copy.report == found.report


def test_bfloat16_is_stored_as_float32_if_asked_and_comes_back() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bits = np.arange(1 << 16, dtype=np.uint16)
    value = bits.view(ml_dtypes.bfloat16)
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection({"x": value}), portable=True)
    file.seek(0)
    with np.load(file) as found:
        plain = found["0"]
    assert plain.dtype == np.float32
    assert np.array_equal(plain.view(np.uint32), bits.astype(np.uint32) << 16)

    target = ckpt.VarCollection({"x": np.zeros_like(value)})
    report = ckpt.load_var_collection(file, target, cast=True)

    assert report.cast == {"x": ("float32", "bfloat16")}
    numbers = ~np.isnan(plain)
    assert np.array_equal(target["x"].value.view(np.uint16)[numbers], bits[numbers])


@pytest.mark.parametrize(
    ("stored", "into"),
    [
        (np.array([1, 1 << 40]), np.int32),
        (np.array([300], np.uint16), np.int8),
        (np.array([200], np.uint8), np.int8),
        (np.array([1.0, 1e300]), np.float32),
        (np.array([70_000]), np.float16),
        (np.array([1e300 + 0j]), np.complex64),
    ],
)
def test_a_number_beyond_the_range_of_a_dtype_is_not_cast(stored, into) -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection({"x": stored}))
    target = ckpt.VarCollection({"x": np.zeros(stored.shape, into)})

    with pytest.raises(ckpt.DtypeMismatchError):
        ckpt.load_var_collection(file, target, cast=True)

    assert not target["x"].value.any()


@pytest.mark.parametrize(
    ("dtype", "value"), [("int8", 300), ("float16", 1e6), ("float8_e4m3fn", 1e6)]
)
def test_nor_does_a_tensor_take_it(dtype, value) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection({"x": np.array([value])}))
    tensor = torch.zeros(1, dtype=getattr(torch, dtype))

    with pytest.raises(ckpt.DtypeMismatchError):
        ckpt.load_var_collection(file, ckpt.torch_variables(x=tensor), cast=True)


def test_infinities_nan_and_the_very_small_are_cast() -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(
        file, ckpt.VarCollection({"x": np.array([np.inf, -np.inf, np.nan, 1e-300, 1.1, 0])})
    )
    target = ckpt.VarCollection({"x": np.zeros(6, np.float32)})

    ckpt.load_var_collection(file, target, cast=True)

    expected = np.array([np.inf, -np.inf, np.nan, 0, np.float32(1.1), 0])
    np.testing.assert_array_equal(target["x"].value, expected)


def test_what_is_cast_to_the_stored_form_of_bfloat16_is_bfloat16() -> None:
    """numpy itself would put the numbers where the bits belong."""
    pytest.importorskip("ml_dtypes")
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection({"x": np.array([1, -2], np.float32)}))
    target = ckpt.VarCollection({"x": np.zeros(2, [("bfloat16", "<u2")])})

    ckpt.load_var_collection(file, target, cast=True)

    assert target["x"].value["bfloat16"].tolist() == [0x3F80, 0xC000]


def test_a_selection_may_be_gone_through_once_only(saved) -> None:
    vc = zeros("encoder/w", "encoder/b", "head/w")

    found = saved.restore(vc, only=(pattern for pattern in ["encoder/*", "head/*"]))

    assert found.loaded == ("encoder/w", "encoder/b", "head/w")


def test_bfloat16_is_cast_to_float32_without_ml_dtypes() -> None:
    stored = np.array([0x3F80, 0x4020], "<u2").view([("bfloat16", "<u2")])
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection({"x": stored}))
    target = ckpt.VarCollection({"x": np.zeros(2, np.float32)})

    report = ckpt.load_var_collection(file, target, cast=True)

    assert report.cast == {"x": ("bfloat16", "float32")}
    assert target["x"].value.tolist() == [1, 2.5]


def test_torch_values_are_cast_and_an_optimizer_is_restored_whole_or_not() -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.torch_variables(net, optimizer))
    other = torch.nn.Linear(2, 1).to(torch.bfloat16)
    fresh = torch.optim.Adam(other.parameters())
    vc = ckpt.torch_variables(other, fresh)

    report = ckpt.load_var_collection(file, vc, only="model/*", cast=True)

    assert torch.equal(other.weight, net.weight.to(torch.bfloat16))
    assert report.cast["model/weight"] == ("float32", "bfloat16")
    assert not fresh.state
    ckpt.load_var_collection(file, ckpt.torch_variables(fresh), only="optimizer/*")
    assert fresh.state[other.weight]["step"] == 1


def test_a_pattern_that_fits_no_variable_is_named_with_those_there(saved) -> None:
    vc = zeros("encoder/w", "head/w")

    with pytest.raises(ckpt.InvalidOptionError, match=r"'encodr/\*'.*'encoder/w', 'head/w'"):
        saved.restore(vc, only=["head/*", "encodr/*"])

    assert vc["head/w"].value.tolist() == [0, 0]
    assert saved.restore(vc, only="encodr/*", strict=False).loaded == ()


@pytest.mark.parametrize("only", ["(Net)[1].w", "(Net)[1]*", "(Net)[[]1].?"])
def test_brackets_in_a_pattern_fit_those_in_objax_names(only) -> None:
    file = io.BytesIO()
    names = ["(Net)[0].w", "(Net)[1].w"]
    ckpt.save_var_collection(file, ckpt.VarCollection({name: np.ones(2) for name in names}))

    found = ckpt.load_var_collection(file, zeros(*names), only=only)

    assert found.loaded == ("(Net)[1].w",)
