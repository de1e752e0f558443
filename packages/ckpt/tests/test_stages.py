"""Large files: written in stages and read in pieces, by several threads."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ckpt
from ckpt import _arena, _direct, _npz, _progress, _reader
from expcore import _stages

RNG = np.random.default_rng(0)
ARRAYS = {
    "large": RNG.random(50_001),
    "small": np.arange(3),
    "fortran": np.asfortranarray(RNG.random((301, 77))),
    "strided": RNG.random((400, 300))[::2, ::3],
    "empty": np.zeros((0, 7)),
    "bytes": RNG.integers(0, 256, 100_003, np.uint8),
    **{f"layer{i}": RNG.random(i * 50) for i in range(100)},
}


@pytest.fixture(params=[4096, 12288, 65536])
def staged(request, monkeypatch):
    """Stages so small that arrays, headers and checksums go across their edges."""
    monkeypatch.setattr(_stages, "STAGE_BYTES", request.param)
    for module in (_npz, _arena, _direct):
        monkeypatch.setattr(module, "PIECE", 1000)
    monkeypatch.setattr(_arena, "LARGE", 20_000)
    monkeypatch.setattr(_arena, "TASK", 30_000)


def expected() -> bytes:
    return b"".join(_npz.encode_npz(ARRAYS))


def test_the_bytes_are_those_of_a_small_file(staged) -> None:
    ckpt.save_var_collection("a.npz", ckpt.VarCollection(ARRAYS))

    assert Path("a.npz").read_bytes() == expected()


def test_every_array_comes_back_from_pieces(staged) -> None:
    ckpt.save_var_collection("a.npz", ckpt.VarCollection(ARRAYS))

    with zipfile.ZipFile("a.npz") as file:
        assert file.testzip() is None
    with _reader.open_npz("a.npz") as reader:
        found = reader.read(reader.names)
        some = reader.read(["strided", "layer9", "large"])
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert all(np.array_equal(array, ARRAYS[name]) for name, array in some.items())


def test_an_array_that_is_changed_meanwhile_is_mixed_but_its_file_is_whole(
    staged, monkeypatch
) -> None:
    """By a thread that trains on; a checkpoint that cannot be restored would be worse."""
    large = np.zeros(50_001)
    real = _npz.pieces

    def pieces(array, begin, end):
        for piece in real(array, begin, end):
            yield piece
            large[:] += 1

    monkeypatch.setattr(_direct, "pieces", pieces)
    ckpt.save_var_collection("a.npz", ckpt.VarCollection({"before": np.ones(700), "large": large}))
    vc = ckpt.VarCollection({"before": np.zeros(700), "large": np.zeros(50_001)})

    ckpt.load_var_collection("a.npz", vc)

    assert len(set(vc["large"].value)) > 1


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_flipped_bit_is_found_in_a_piece(staged, at) -> None:
    data = bytearray(expected())
    data[int(len(data) * at)] ^= 4
    Path("a.npz").write_bytes(data)

    with pytest.raises(ckpt.BrokenFileError):
        ckpt.load_var_collection("a.npz", ckpt.VarCollection(ARRAYS))


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="no direct writes here")
@pytest.mark.parametrize("when", [1, 5])
def test_direct_writes_that_are_refused_go_on_as_others(staged, monkeypatch, when) -> None:
    """Some file systems let a file be opened for direct writes, and refuse the write."""
    import fcntl

    real, calls = os.pwrite, []

    def pwrite(descriptor, data, offset):
        calls.append(offset)
        if len(calls) >= when and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(descriptor, data[:-1] if len(calls) == when + 3 else data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)

    ckpt.save_var_collection("a.npz", ckpt.VarCollection(ARRAYS))

    assert Path("a.npz").read_bytes() == expected()


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="what is written goes through another call")
def test_a_full_disk_in_the_middle_leaves_the_old_file(staged, monkeypatch) -> None:
    Path("a.npz").write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)

    with pytest.raises(OSError, match="No space left"):
        ckpt.save_var_collection("a.npz", ckpt.VarCollection(ARRAYS))

    assert Path("a.npz").read_bytes() == b"old"
    assert [path.name for path in Path().iterdir()] == ["a.npz"]


WITHOUT = """
import sys
for name in ("isal", "isal.isal_zlib", "zlib_ng", "zlib_ng.zlib_ng"):
    sys.modules[name] = None
import numpy as np
import ckpt
vc = ckpt.VarCollection({"w": np.arange(3_000_000.0), "f": np.ones((3, 4), order="F"), "n": 3})
ckpt.save_var_collection("without.npz", vc)
vc["w"].assign(np.zeros(3_000_000))
ckpt.load_var_collection("without.npz", vc)
assert vc["w"].value[-1] == 2_999_999
"""


def test_without_any_of_the_fast_libraries_the_bytes_are_the_same() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)
    values = {"w": np.arange(3_000_000.0), "f": np.ones((3, 4), order="F"), "n": 3}
    ckpt.save_var_collection("here.npz", ckpt.VarCollection(values))

    assert Path("without.npz").read_bytes() == Path("here.npz").read_bytes()


def test_who_waits_long_is_shown_how_far_it_is(monkeypatch) -> None:
    shown: list[object] = []

    class Bar:
        def __init__(self, label, total) -> None:
            shown.append((label, total))

        def __enter__(self):
            return shown.append

        def __exit__(self, *_) -> None:
            shown.append("end")

    monkeypatch.setattr(_progress, "progress_bar", Bar)
    with _progress.slow_progress("quick", 3) as advance:
        advance(3)
    assert shown == []
    monkeypatch.setattr(_progress, "PATIENCE_S", -1)
    with _progress.slow_progress("slow", 3) as advance:
        advance(2)
        advance(1)
    assert shown == [("slow", 3), 2, 1, "end"]
