"""How fast checkpoints are saved and loaded, beside others, taking turns in one run.

Usage: python benchmarks/ckpt.py [FOLDER] [--megabytes 1000] [--rounds 5]

Every save is durable (file and folder synced, for the others too), every load of ckpt's verifies
the checksums, from the page cache. Peers that are not installed are left out. Writes
benchmarks/results/ckpt.md.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.pop(0)  # this folder, where this file has the name of what it measures
import ckpt

if TYPE_CHECKING:
    from collections.abc import Callable

Arrays = dict[str, np.ndarray]
RESULTS = Path(__file__).parent / "results" / "ckpt.md"


def sync(path: Path) -> None:
    for each in (path, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def raw(folder: Path, arrays: Arrays) -> tuple[Callable[[], object], Callable[[], object]]:
    """The bytes alone, in one file, past the page cache where expcore can: the limit."""
    from expcore import write_file

    path = folder / "raw"
    whole = np.concatenate([array.reshape(-1) for array in arrays.values()])
    return (lambda: write_file(path, whole)), path.read_bytes


def of_ckpt(folder: Path, arrays: Arrays) -> tuple[Callable[[], object], Callable[[], object]]:
    path, vc = folder / "ckpt.npz", ckpt.VarCollection(arrays)
    return (
        lambda: ckpt.save_var_collection(path, vc),
        lambda: ckpt.load_var_collection(path, vc),
    )


def of_numpy(folder: Path, arrays: Arrays) -> tuple[Callable[[], object], Callable[[], object]]:
    path = folder / "numpy.npz"

    def save() -> None:
        np.savez(path, **arrays)
        sync(path)

    def load() -> Arrays:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}

    return save, load


def of_safetensors(
    folder: Path, arrays: Arrays
) -> tuple[Callable[[], object], Callable[[], object]]:
    from safetensors.numpy import load_file, save_file

    path = folder / "x.safetensors"

    def save() -> None:
        save_file(arrays, path)
        sync(path)

    return save, lambda: load_file(path)


def of_torch(folder: Path, arrays: Arrays) -> tuple[Callable[[], object], Callable[[], object]]:
    import torch

    path = folder / "x.pt"
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def save() -> None:
        torch.save(tensors, path)
        sync(path)

    return save, lambda: torch.load(path, weights_only=True)


PEERS = {
    "raw bytes": raw,
    "ckpt": of_ckpt,
    "numpy": of_numpy,
    "safetensors": of_safetensors,
    "torch": of_torch,
}


def measure(arrays: Arrays, folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """The median seconds to save and to load, by peer; the order is shuffled in each round."""
    folder.mkdir()
    peers = {
        name: make(folder, arrays)
        for name, make in PEERS.items()
        if name in ("raw bytes", "ckpt") or find_spec(name)
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for _ in range(rounds + 1):
        for name in random.sample(list(peers), len(peers)):
            save, load = peers[name]
            begin = time.perf_counter()
            save()
            saved = time.perf_counter()
            load()  # into the page cache, which a direct write passes by
            cached = time.perf_counter()
            load()
            times[name].append((saved - begin, time.perf_counter() - cached))
    # The first round only warms up.
    medians = {}
    for name, pairs in times.items():
        saves, loads = zip(*pairs[1:], strict=True)
        medians[name] = statistics.median(saves), statistics.median(loads)
    return medians


def blocking(arrays: Arrays, folder: Path, rounds: int) -> tuple[float, float]:
    """The median seconds that a background save blocks, and those of one copy of the bytes."""
    vc, blocks, copies = ckpt.VarCollection(arrays), [], []
    with ckpt.Checkpoint(folder, keep_ckpts=1, verbose=False, background=True) as checkpoint:
        for idx in range(rounds + 1):
            begin = time.perf_counter()
            checkpoint.save(vc, idx)
            blocks.append(time.perf_counter() - begin)
            checkpoint.wait()
            begin = time.perf_counter()
            _ = [array.copy() for array in arrays.values()]
            copies.append(time.perf_counter() - begin)
    return statistics.median(blocks[1:]), statistics.median(copies[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="on the disk to measure")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    each = args.megabytes * 1_000_000 // 200 // 4
    kinds = {
        f"{args.megabytes} MB in 200 arrays": {
            f"layer{i}": np.random.default_rng(i).random(each, np.float32) for i in range(200)
        },
        "5,000 arrays of 4 kB": {f"l{i}/w": np.full(1024, i, np.float32) for i in range(5000)},
    }
    lines = [f"# ckpt\n\n{os.cpu_count()} cores, numpy {np.__version__}; medians in ms.\n"]
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        for i, (title, arrays) in enumerate(kinds.items()):
            found = measure(arrays, Path(scratch, str(i)), args.rounds)
            mine = found["ckpt"]
            lines.append(f"## {title}\n\n| | save | of ckpt's | load | of ckpt's |")
            lines.append("|---|---|---|---|---|")
            for name, (saving, loading) in found.items():
                cells = [f"{saving * 1e3:.0f}", f"{saving / mine[0]:.2f}"]
                cells += [f"{loading * 1e3:.0f}", f"{loading / mine[1]:.2f}"]
                lines.append(f"| {name} | {' | '.join(cells)} |")
            block, copy = blocking(arrays, Path(scratch, f"b{i}"), args.rounds)
            lines.append(
                f"\nA background save blocks for {block * 1e3:.1f} ms, "
                f"{block / copy:.2f} of the time of one copy of the bytes.\n"
            )
    text = "\n".join(lines)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
