"""A variable of more than 4 GiB, where disk and memory allow."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ckpt

GIB = 1 << 30


def memory() -> int:
    """Bytes of memory that nothing uses."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


@pytest.mark.skipif(memory() < 16 * GIB, reason="less than 16 GiB of memory are free")
def test_a_variable_of_more_than_four_gib_comes_back_and_so_does_what_follows(tmp_path) -> None:
    if shutil.disk_usage(tmp_path).free < 16 * GIB:
        pytest.skip("less than 16 GiB of disk are free")
    large = np.zeros(4 * GIB + 5, np.uint8)  # takes memory only where something is written
    large[[0, 4 * GIB - 1, 4 * GIB, -1]] = 1, 2, 3, 4
    vc = ckpt.VarCollection({"large": large, "after": np.arange(3)})
    ckpt.save_var_collection("large.npz", vc)
    del large
    vc["large"].assign(np.zeros(4 * GIB + 5, np.uint8))
    vc["after"].assign(np.zeros(3, np.int64))

    ckpt.load_var_collection("large.npz", vc)

    found = vc["large"].value
    assert found[[0, 4 * GIB - 1, 4 * GIB, -1]].tolist() == [1, 2, 3, 4]
    assert np.count_nonzero(found) == 4
    assert vc["after"].value.tolist() == [0, 1, 2]
    with ckpt.load("large.npz", mapped=True) as arrays:
        assert arrays["large"][-1] == 4
    with zipfile.ZipFile("large.npz") as file, file.open("1.npy") as member:
        assert np.lib.format.read_array(member).tolist() == [0, 1, 2]
    Path("large.npz").unlink()
