"""How long a background save blocks the training, beside copies of the same bytes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def blocking(arrays: dict[str, np.ndarray], folder: Path, rounds: int) -> dict[str, float]:
    """The median seconds of a save, of a copy into memory that is there, and into new memory."""
    import ckpt

    vc = ckpt.VarCollection(arrays)
    times: dict[str, list[float]] = {"blocked": [], "copy": [], "new copy": []}
    there = [np.empty_like(array) for array in arrays.values()]
    with ckpt.AsyncCheckpoint(folder, keep_ckpts=1, verbose=False) as checkpoint:
        for idx in range(rounds + 2):
            begin = time.perf_counter()
            checkpoint.save(vc, idx)
            times["blocked"].append(time.perf_counter() - begin)
            checkpoint.wait()
            begin = time.perf_counter()
            for target, array in zip(there, arrays.values(), strict=True):
                np.copyto(target, array)
            times["copy"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            kept = [array.copy() for array in arrays.values()]
            times["new copy"].append(time.perf_counter() - begin)
            del kept
    return {name: statistics.median(each[2:]) for name, each in times.items()}
