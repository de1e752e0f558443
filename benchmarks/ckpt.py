"""How fast checkpoints are saved and loaded, beside others, taking turns in one run.

Usage: python benchmarks/ckpt.py [FOLDER] [--megabytes 1000] [--rounds 5]
           [--peer objax=PYTHON] [--peer orbax=PYTHON]

Every save goes to a new file and is durable: file and folder are synced, for the others too;
of the small arrays, it is the median of several in a row, where the peer is in this process.
ckpt's loads verify the checksums. The peers take turns in shuffled order; each load is timed with
a warm page cache and with a cold one. Raw is the limit: the bytes alone, written by three threads
past the page cache. objax and orbax need versions of their own and run in the Pythons named.
Writes benchmarks/results/ckpt.md and, where matplotlib is installed, ckpt.svg.
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

HERE = Path(__file__).parent
sys.path[0] = str(HERE / "ckpt_bench")  # not this folder: this file has the name of the package

import numpy as np  # noqa: E402
from background import blocking  # noqa: E402
from peers import LOCAL, Elsewhere, Peer, drop_from_cache  # noqa: E402
from report import plot, table  # noqa: E402

RESULTS = HERE / "results"


def settle() -> None:
    """Let the disk finish what one peer has left to do, as to delete thousands of files."""
    os.sync()
    time.sleep(0.2)


def measure(peers: dict[str, Peer], folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """The median seconds of each operation of each peer, in shuffled order."""
    times: dict[str, dict[str, list[float]]] = {name: {} for name in peers}
    for i in range(rounds + 1):
        for name in random.sample(list(peers), len(peers)):
            peer, path = peers[name], folder / f"{name}-{i}"
            found = {"save": peer.save(path)}
            peer.load(path)  # into the page cache, which a direct write passes by
            found["load"] = peer.load(path)
            found |= peer.one(path)
            drop_from_cache(path)
            found["cold"] = peer.load(path)
            peer.delete(path)
            settle()
            for kind, seconds in found.items():
                if i:  # the first round only warms up
                    times[name].setdefault(kind, []).append(seconds)
    return {
        name: {kind: statistics.median(each) for kind, each in kinds.items()}
        for name, kinds in times.items()
    }


def memory_while_saving(folder: Path, arrays: dict[str, np.ndarray]) -> float:
    """By how many MiB a process grows while it saves, in a process of its own."""
    import ckpt

    pid = os.fork()
    if pid == 0:
        ckpt.save_var_collection(folder / "warm.npz", {"w": ckpt.Var(np.ones(3))})
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status("VmRSS")
        ckpt.save_var_collection(folder / "memory.npz", ckpt.VarCollection(arrays))
        (folder / "grown").write_text(str((_status("VmHWM") - before) / 1024))
        os._exit(0)
    os.waitpid(pid, 0)
    return float((folder / "grown").read_text())


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="on the disk to measure")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    args = parser.parse_args()
    each = args.megabytes * 1_000_000 // 200 // 4
    rng = np.random.default_rng(0)
    kinds = {
        "large": {f"layer{i}": rng.random(each, np.float32) for i in range(200)},
        "small": {f"l{i}/w": np.full(1024, i, np.float32) for i in range(5000)},
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        folder = Path(scratch)
        extra = {"memory": memory_while_saving(folder, kinds["large"])}
        for kind, arrays in kinds.items():
            peers: dict[str, Peer] = {
                name: make(arrays)
                for name, make in LOCAL.items()
                if name in ("raw", "ckpt") or find_spec(name)
            }
            for name, _, python in (peer.partition("=") for peer in args.peer):
                peers[name] = Elsewhere(
                    name, python, len(arrays), next(iter(arrays.values())).size
                )
            found[kind] = measure(peers, folder, args.rounds)
            for peer in peers.values():
                peer.close()
            extra |= {f"{kind} {k}": s for k, s in blocking(arrays, folder, args.rounds).items()}
    RESULTS.mkdir(exist_ok=True)
    text = table(found, extra, args.megabytes, args.rounds)
    (RESULTS / "ckpt.md").write_text(text)
    if find_spec("matplotlib"):
        plot(found, RESULTS / "ckpt.svg")
    print(text)


if __name__ == "__main__":
    main()
