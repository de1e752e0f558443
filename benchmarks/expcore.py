"""expcore against its peers, side by side in one run; writes ``results/expcore.md``.

Digests against joblib.hash, dask.tokenize and hashlib; large files against buffered writes with
fsync; a synchronization of many small files against one request after another. Only ratios
taken in the same minute mean anything. Run it on a quiet machine:
``python benchmarks/expcore.py [--large]``; ``--large`` takes 5 GB of disk.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# This script is called as the package is, and its folder comes first.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "expcore.md"
GIGABYTE = 1 << 30


def compare(rounds: int, **functions: Callable[[], object]) -> dict[str, float]:
    """Return each function's best time in seconds, measured in turns."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            best[name] = min(best[name], clock(function))
    return best


def clock(function: Callable[[], object], least_s: float = 0.02) -> float:
    """Return the time of one call, from as many calls as fill a while."""
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        taken = time.perf_counter() - start
        if taken >= least_s:
            return taken / calls
        calls *= max(2, int(least_s / max(taken, 1e-9)))


def digests() -> Iterator[str]:
    import joblib
    import numpy as np
    import xxhash
    from dask.tokenize import tokenize

    from expcore import digest

    rng = random.Random(0)
    config = {
        f"group{i}": {f"key{j}": [j, j / 3, f"v{j}", None][j % 4] for j in range(20)}
        for i in range(10)
    }
    values: dict[str, Any] = {
        "tuple of 4 scalars": (1, 2.5, "adam", True),
        "config of 200 leaves": config,
        "set of 100,000 strings": {f"s{rng.random()}" for _ in range(100_000)},
        "list of 100,000 floats": [rng.random() for _ in range(100_000)],
        "array of 1 MB": np.random.default_rng(0).random(1 << 17),
    }
    yield "| value | expcore | dask.tokenize | joblib.hash | dask / expcore | joblib / expcore |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, value in values.items():
        t = compare(
            5,
            ours=lambda value=value: digest(value),
            dask=lambda value=value: tokenize(value),
            joblib=lambda value=value: joblib.hash(value),
        )
        yield (
            f"| {name} | {unit(t['ours'])} | {unit(t['dask'])} | {unit(t['joblib'])} "
            f"| {t['dask'] / t['ours']:.1f} | {t['joblib'] / t['ours']:.1f} |"
        )
    array = np.random.default_rng(0).random(GIGABYTE // 8)
    t = compare(
        4,
        float64=lambda: digest(array),
        uint8=lambda: digest(array.view(np.uint8)),
        raw=lambda: xxhash.xxh3_128_digest(array),
        sha256=lambda: hashlib.sha256(memoryview(array)[: 1 << 24]).digest(),
    )
    t["sha256"] *= GIGABYTE / (8 << 24)
    t["joblib"] = compare(1, joblib=lambda: joblib.hash(array))["joblib"]
    yield ""
    yield "| array of 1 GiB | speed | of raw xxh3_128 | times joblib |"
    yield "|---|--:|--:|--:|"
    names = {"raw": "raw xxh3_128", "uint8": "expcore, uint8", "float64": "expcore, float64",
             "sha256": "hashlib.sha256 (raw)", "joblib": "joblib.hash"}  # fmt: skip
    for name, label in names.items():
        speed, share = GIGABYTE / t[name] / 1e9, t["raw"] / t[name]
        yield f"| {label} | {speed:.1f} GB/s | {share:.0%} | {t['joblib'] / t[name]:.0f} |"


def files(size: int) -> Iterator[str]:
    import numpy as np

    from expcore import digest_file, write_file

    data = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        path = Path(folder, "large")

        def buffered() -> None:
            with path.open("wb") as file:
                file.write(data)
                os.fsync(file.fileno())

        def read() -> None:
            piece = bytearray(1 << 20)
            with path.open("rb", buffering=0) as file:
                while file.readinto(piece):
                    pass

        t = compare(3, ours=lambda: write_file(path, data), buffered=buffered)
        buffered()
        t |= compare(2, digest=lambda: digest_file(path), read=read)
    yield f"| file of {size / GIGABYTE:.0f} GiB | speed | ratio |"
    yield "|---|--:|--:|"
    speed = {name: size / seconds / 1e9 for name, seconds in t.items()}
    yield f"| write and fsync | {speed['buffered']:.2f} GB/s | |"
    yield f"| write_file | {speed['ours']:.2f} GB/s | {t['buffered'] / t['ours']:.2f} |"
    yield f"| read (from the page cache) | {speed['read']:.2f} GB/s | |"
    yield f"| digest_file | {speed['digest']:.2f} GB/s | {t['read'] / t['digest']:.0%} |"


def synchronization() -> Iterator[str]:
    from expcore import sync_down, sync_up
    from expcore._b2 import B2Storage
    from expcore._retry import RetryingStorage

    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from b2_server import B2Server\n"
        "with B2Server(latency_s=0.1) as s: print(s.url, flush=True); sys.stdin.read()"
    )
    with (
        tempfile.TemporaryDirectory() as scratch,
        subprocess.Popen(
            [sys.executable, "-c", code, str(ROOT / "integration-tests")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server,
    ):
        assert server.stdout is not None
        realm = server.stdout.readline().strip()
        os.environ["XDG_CACHE_HOME"] = scratch
        folder = Path(scratch, "files")
        folder.mkdir()
        for i in range(1000):
            (folder / f"{i:04d}").write_bytes(os.urandom(4096))
        key = {"key_id": "0014key", "key": "K001-secret-of-the-tests", "realm": realm}
        storage = RetryingStorage(B2Storage("bucket", **key))
        yield "| 1,000 files of 4 kB at 100 ms | seconds |"
        yield "|---|--:|"
        start = time.perf_counter()
        sync_up(folder, storage, "x")
        yield f"| sync_up | {time.perf_counter() - start:.1f} |"
        start = time.perf_counter()
        sync_up(folder, storage, "x")
        yield f"| sync_up, nothing to do | {time.perf_counter() - start:.1f} |"
        start = time.perf_counter()
        sync_down(storage, "x", Path(scratch, "back"))
        yield f"| sync_down | {time.perf_counter() - start:.1f} |"
        server.communicate()


def unit(seconds: float) -> str:
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{seconds / scale:.2f} {name}"
    return f"{seconds * 1e9:.0f} ns"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="files of 5 GiB instead of 1 GiB")
    options = parser.parse_args()
    peers = ", ".join(f"{name} {version(name)}" for name in ("dask", "joblib", "numpy", "xxhash"))
    lines = [
        "# expcore against its peers",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}; "
        f"{peers}. Best of several rounds, taken in turns; load {os.getloadavg()[0]:.1f}.",
        "",
        "Goals: an array of 1 GiB at 80% of raw xxh3_128 and 30 times joblib; a small tuple in",
        "2 µs; a config and a set of strings no slower than dask; a file at 80% of its read",
        "speed; 1,000 files of 4 kB at 100 ms in 5 s. Where a core is idle, a second thread",
        "looks for NaNs in large float arrays.",
        "",
        "## Digests",
        "",
        *digests(),
        "",
        "## Files",
        "",
        *files(GIGABYTE * (5 if options.large else 1)),
        "",
        "## Synchronization",
        "",
        *synchronization(),
        "",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
