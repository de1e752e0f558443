"""A checkpoint as a mapping from names to arrays."""

from __future__ import annotations

import numpy as np
import pytest

import ckpt


@pytest.fixture
def file(net):
    ckpt.save_var_collection("net.npz", net, extra={"epoch": 3}, metrics={"loss": 1})
    return "net.npz"


@pytest.mark.parametrize("mapped", [False, True])
def test_arrays_are_found_by_name(file, mapped) -> None:
    with ckpt.load(file, mapped=mapped) as arrays:
        assert list(arrays) == ["w", "b"]
        assert len(arrays) == 2
        assert "w" in arrays
        assert "v" not in arrays
        with pytest.raises(KeyError, match="v"):
            arrays["v"]
        assert arrays.extra == {"epoch": 3}
        assert arrays.metrics == {"loss": 1}
        w = arrays["w"]

    assert w.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert w.flags.writeable != mapped
    assert w.ctypes.data % 64 == 0


def test_a_flipped_bit_is_found_when_the_array_is_read(file, tmp_path) -> None:
    path = tmp_path / file
    data = bytearray(path.read_bytes())
    data[data.index(np.float32(5).tobytes())] ^= 1
    path.write_bytes(data)

    with ckpt.load(file) as arrays:
        assert arrays["b"].tolist() == [0, 0, 0]
        with pytest.raises(ckpt.BrokenFileError, match=r"net\.npz.*'0\.npy'.*checksum"):
            arrays["w"]


def test_an_extended_type_is_that_type() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.ones(2, ml_dtypes.bfloat16)
    ckpt.save_var_collection("x.npz", ckpt.VarCollection({"x": value}))

    with ckpt.load("x.npz") as arrays:
        assert arrays["x"].dtype == value.dtype


@pytest.mark.parametrize("data", [b"", b"PK\5\6" + bytes(18)])
def test_a_broken_file_is_refused_at_once(tmp_path, data) -> None:
    (tmp_path / "x.npz").write_bytes(data)

    with pytest.raises(ckpt.BrokenFileError, match=r"x\.npz"):
        ckpt.load("x.npz")
