"""Every dtype that the format can hold comes back exactly; the others are refused."""

from __future__ import annotations

import io

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ckpt

scalars = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
    hnp.datetime64_dtypes(endianness="?"),
    hnp.timedelta64_dtypes(endianness="?"),
    hnp.byte_string_dtypes(),
    hnp.unicode_string_dtypes(),
)
dtypes = st.one_of(scalars, hnp.nested_dtypes(scalars, max_leaves=4))
arrays = dtypes.filter(lambda d: d.subdtype is None and d.itemsize < 1000).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)


def round_trip(array: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    ckpt.save_var_collection(file, {"x": ckpt.Var(array)})
    target = ckpt.Var(np.zeros(array.shape, array.dtype))
    ckpt.load_var_collection(file, {"x": target})
    return target.value


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrays, st.sampled_from(["C", "F", "strided"]))
def test_every_dtype_comes_back_bit_for_bit(array, layout) -> None:
    if layout == "strided":
        array = np.repeat(array, 2, axis=0)[::2] if array.ndim else array
    else:
        array = np.asarray(array, order=layout)

    found = round_trip(array)

    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_byte_order_of_the_variable_is_kept(order) -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(file, {"x": ckpt.Var(np.arange(3, dtype=">i4"))})
    target = ckpt.Var(np.zeros(3, f"{order}i4"))

    ckpt.load_var_collection(file, {"x": target})

    assert target.value.tolist() == [0, 1, 2]
    assert target.value.dtype == np.dtype(f"{order}i4")


def test_metadata_of_a_dtype_is_no_obstacle() -> None:
    array = np.zeros(2, np.dtype("<f4", metadata={"unit": "m"}))

    assert round_trip(array).tolist() == [0, 0]


@pytest.mark.parametrize("value", [np.array([None]), np.array([{}, 1], object), [[1], [2, 3]]])
def test_python_objects_are_refused(value) -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match="'x'"):
        ckpt.save_var_collection(io.BytesIO(), {"x": ckpt.Var(value)})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (np.ma.array([1, 2], mask=[True, False]), "mask"),
        (
            np.zeros(2, np.dtype({"names": "ab", "formats": ["i4"] * 2, "offsets": [4, 0]})),
            "order",
        ),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(value, why) -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match=f"'x'.*{why}"):
        ckpt.save_var_collection(io.BytesIO(), ckpt.VarCollection({"x": value}))


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="text of numpy 2")
def test_text_of_varying_length_is_refused() -> None:
    text = np.array(["a", "long"], dtype=np.dtypes.StringDType())

    with pytest.raises(ckpt.UnsupportedValueError, match="'x'"):
        ckpt.save_var_collection(io.BytesIO(), {"x": ckpt.Var(text)})


# The types of ml_dtypes.

EXTENDED = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "int4"]


@pytest.mark.parametrize("name", EXTENDED)
def test_extended_types_come_back_with_every_bit_pattern(name) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, name))
    count = 16 if name == "int4" else 256**dtype.itemsize
    bits = np.arange(count, dtype=f"<u{dtype.itemsize}")

    found = round_trip(bits.view(dtype))

    assert found.dtype == dtype
    assert np.array_equal(found.view(bits.dtype), bits)


def test_an_extended_type_says_what_it_is_without_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    file = io.BytesIO()
    ckpt.save_var_collection(file, {"x": ckpt.Var(np.ones(2, ml_dtypes.bfloat16))})

    file.seek(0)
    with np.load(file) as found:
        assert found["0"].dtype == np.dtype([("bfloat16", "<u2")])


def test_objaxs_own_bfloat16_files_are_read(golden) -> None:
    """It writes raw bytes, which it cannot read itself."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    target = ckpt.Var(np.zeros(4, ml_dtypes.bfloat16))

    ckpt.load_var_collection(golden / "objax-1.8.0-bfloat16.npz", {"w": target})

    assert target.value.tolist() == [0, 1, 2, 3]


def test_another_extended_type_is_refused() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    file = io.BytesIO()
    ckpt.save_var_collection(file, {"x": ckpt.Var(np.ones(2, ml_dtypes.float8_e5m2))})

    with pytest.raises(ckpt.DtypeMismatchError, match=r"float8_e4m3fn.*float8_e5m2"):
        ckpt.load_var_collection(file, {"x": ckpt.Var(np.ones(2, ml_dtypes.float8_e4m3fn))})


def test_an_extended_type_within_a_structure_is_refused() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype([("a", ml_dtypes.bfloat16)])

    with pytest.raises(ckpt.UnsupportedValueError, match="bfloat16"):
        ckpt.save_var_collection(io.BytesIO(), {"x": ckpt.Var(np.zeros(2, dtype))})


@pytest.mark.parametrize(
    "field", [("c", "f8", (5, 2)), ("c", "S3"), ("c", "<u2"), ("float", "u2")]
)
@pytest.mark.parametrize("portable", [False, True])
def test_a_structure_of_one_field_is_no_extended_type(field, portable) -> None:
    value = np.zeros(2, [field])

    ckpt.save_var_collection("x.npz", ckpt.VarCollection({"x": value}), portable=portable)

    with ckpt.load("x.npz") as arrays:
        assert arrays["x"].dtype == value.dtype
