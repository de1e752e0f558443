"""A checkpoint as a mapping from names to arrays."""

from __future__ import annotations

import io
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import ckpt
from ckpt import _arena
from ckpt._reader import NpzReader


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


@pytest.fixture
def damaged(file, tmp_path):
    """The file with one bit flipped in the value of ``w``."""
    path = tmp_path / file
    data = bytearray(path.read_bytes())
    data[data.index(np.float32(5).tobytes())] ^= 1
    path.write_bytes(data)
    return file


@pytest.mark.parametrize("mapped", [False, True])
def test_a_flipped_bit_is_found_when_the_array_is_taken(damaged, mapped) -> None:
    with ckpt.load(damaged, mapped=mapped) as arrays:
        assert arrays["b"].tolist() == [0, 0, 0]
        for _ in range(2):
            with pytest.raises(ckpt.BrokenFileError, match=r"net\.npz.*'0\.npy'.*checksum"):
                arrays["w"]


@pytest.mark.parametrize("mapped", [False, True])
def test_who_asks_for_it_gets_what_was_not_verified(damaged, mapped) -> None:
    with ckpt.load(damaged, mapped=mapped, verify=False) as arrays:
        assert arrays["w"].tolist()[:1] == [[0, 1, 2]]


def test_an_array_is_verified_when_it_is_first_taken_only(file, monkeypatch) -> None:
    taken: list[str] = []
    verify = NpzReader.verify
    monkeypatch.setattr(
        NpzReader, "verify", lambda self, names: (taken.extend(names), verify(self, names))
    )

    with ckpt.load(file, mapped=True) as arrays:
        for name in ("w", "b", "w"):
            assert arrays[name] is not None

    assert taken == ["w", "b"]


@pytest.fixture
def many() -> dict[str, np.ndarray]:
    """Many small arrays, saved in this order as ``many.npz``, with others between them."""
    arrays = {f"w{i}": np.full((i % 7, 300), i, np.float32) for i in range(1000)}
    arrays["w5"] = np.array(5.0)
    arrays["w400"] = np.arange(500_000.0)
    arrays["w700"] = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    ckpt.save_var_collection("many.npz", ckpt.VarCollection(arrays))
    return arrays


@pytest.mark.parametrize("mapped", [False, True])
def test_who_takes_all_in_order_has_them_read_together(many, mapped, monkeypatch) -> None:
    calls: list[list[str]] = []
    kind = "verify" if mapped else "read"
    do = getattr(NpzReader, kind)
    monkeypatch.setattr(
        NpzReader, kind, lambda *args, **options: (calls.append(args[1]), do(*args, **options))[1]
    )

    with ckpt.load("many.npz", mapped=mapped) as loaded:
        found = dict(loaded)

    assert len(calls) < 30
    for name, array in many.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)
        assert found[name].flags.writeable != mapped
        base = found[name].base
        assert mapped or base is None or base.nbytes < array.nbytes + 1000  # keeps no other


def test_an_array_that_was_read_ahead_is_read_anew_when_taken_again(many) -> None:
    with ckpt.load("many.npz") as loaded:
        names = list(loaded)
        for name in names[:10]:
            loaded[name][...] = -1
        assert [loaded[name].max(initial=0) for name in names[7:10]] == [0, 8, 9]
        assert [loaded[name].max(initial=0) for name in names[8:1:-1]] == [8, 0, 6, 5, 4, 3, 2]


@pytest.mark.parametrize("mapped", [False, True])
def test_a_broken_array_hides_none_that_follow_it(many, mapped, tmp_path) -> None:
    data = bytearray(Path("many.npz").read_bytes())
    data[data.index(np.float32(500).tobytes()) + 100] ^= 1
    (tmp_path / "many.npz").write_bytes(data)

    broken = []
    with ckpt.load("many.npz", mapped=mapped) as loaded:
        for name in loaded:
            try:
                assert np.array_equal(loaded[name], many[name])
            except ckpt.BrokenFileError:
                broken.append(name)

    assert broken == ["w500"]


def test_a_large_mapped_array_is_verified_in_parts(monkeypatch) -> None:
    for name, size in (("PIECE", 1000), ("TASK", 3000)):
        monkeypatch.setattr(_arena, name, size)
    value = np.random.default_rng(0).random(5000)
    ckpt.save_var_collection("large.npz", ckpt.VarCollection({"w": value}))

    with ckpt.load("large.npz", mapped=True) as arrays:
        assert np.array_equal(arrays["w"], value)
    data = bytearray(Path("large.npz").read_bytes())
    data[len(data) // 2] ^= 1
    Path("large.npz").write_bytes(data)
    with (
        ckpt.load("large.npz", mapped=True) as arrays,
        pytest.raises(ckpt.BrokenFileError, match="checksum"),
    ):
        arrays["w"]


def test_threads_may_read_from_one_file_object() -> None:
    """One seeks while another reads."""
    names = [f"w{i}" for i in range(50)]
    data = io.BytesIO()
    arrays = {name: np.full(10_000, i) for i, name in enumerate(names)}
    ckpt.save_var_collection(data, ckpt.VarCollection(arrays))

    with ckpt.load(SlowFile(data.getvalue())) as loaded, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(loaded.__getitem__, names))

    assert all(
        np.array_equal(array, arrays[name]) for name, array in zip(names, found, strict=True)
    )


class SlowFile(io.BytesIO):
    """One that lets other threads run between a seek and the read."""

    def seek(self, *args: int) -> int:
        place = super().seek(*args)
        threading.Event().wait(0.0001)
        return place


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.skipif(sys.platform == "win32", reason="no open file is replaced there")
def test_the_file_that_was_opened_is_read_though_another_has_its_name(file, net, mapped) -> None:
    with ckpt.load(file, mapped=mapped) as arrays:
        ckpt.save_var_collection(file, ckpt.VarCollection({"other": np.zeros(7), "w": np.ones(1)}))

        assert arrays["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_file_object_is_read_and_stays_open(file) -> None:
    data = io.BytesIO(Path(file).read_bytes())

    with ckpt.load(data) as arrays:
        assert arrays["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not data.closed
    with pytest.raises(OSError, match="fileno"):
        ckpt.load(data, mapped=True)
    with open(file, "rb") as opened, ckpt.load(opened, mapped=True) as arrays:  # noqa: PTH123
        assert arrays["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("mapped", [False, True])
def test_nothing_is_taken_from_a_closed_file(file, mapped) -> None:
    with ckpt.load(file, mapped=mapped) as arrays:
        pass

    with pytest.raises(ValueError, match=r"net\.npz was closed") as caught:
        arrays["w"]
    assert not isinstance(caught.value, ckpt.BrokenFileError)
    with pytest.raises(ValueError, match="was closed"):
        assert arrays.extra


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes")
def test_a_pipe_is_refused_and_not_waited_for() -> None:
    os.mkfifo("pipe.npz")
    with pytest.raises(ckpt.BrokenFileError, match=r"pipe\.npz.*a pipe or a device"):
        ckpt.load("pipe.npz")
