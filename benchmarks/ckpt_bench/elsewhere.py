"""Run by peers.py in another Python: ``elsewhere.py NAME COUNT SIZE``, then lines of VERB PATH."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def sync(path: Path) -> None:
    for each in [path, *path.rglob("*"), path.parent]:
        descriptor = os.open(each, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def objax(arrays: dict[str, Any]) -> tuple[Any, Any]:
    import objax as library
    from objax.variable import TrainVar, VarCollection

    vc = VarCollection({name: TrainVar(array) for name, array in arrays.items()})

    def save(path: Path) -> None:
        with path.open("wb") as file:
            library.io.save_var_collection(file, vc)
        sync(path)

    return save, lambda path: library.io.load_var_collection(path, vc)


def orbax(arrays: dict[str, Any]) -> tuple[Any, Any]:
    import orbax.checkpoint as library

    checkpointer = library.StandardCheckpointer()

    def save(path: Path) -> None:
        checkpointer.save(path, arrays)
        checkpointer.wait_until_finished()
        sync(path)

    return save, lambda path: checkpointer.restore(path, arrays)


def main() -> None:
    import jax.numpy as jnp

    name, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = np.random.default_rng(0)
    arrays = {f"layer{i}": jnp.array(rng.random(size, np.float32)) for i in range(count)}
    save, load = {"objax": objax, "orbax": orbax}[name](arrays)
    for line in sys.stdin:
        verb, path = line.split()
        begin = time.perf_counter()
        kept = (save if verb == "save" else load)(Path(path))
        print(f"={time.perf_counter() - begin}", flush=True)
        del kept


if __name__ == "__main__":
    main()
