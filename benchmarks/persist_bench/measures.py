"""What is measured of a memoising decorator, by one process: seconds for a call.

Usage: python measures.py PEER MEASURE FOLDER
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OURS, QUICK, OLD = "persist_to_disk", "persist_to_disk, 1 ms", "0.0.7"
PEERS = ("joblib", "diskcache", "cachier", OLD)
PROCESSES, KEYS, CALLS = 8, 500, 20_000
FEWER_CALLS = {"joblib": 5_000, "cachier": 250, OLD: 500}  # so that a round ends
MANY = 100_000


def decorator(peer: str, folder: Path) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a peer's decorator with a cache in the folder, as its documentation shows it."""
    if peer == "joblib":
        import joblib

        return joblib.Memory(folder, verbose=0).cache
    if peer == "diskcache":
        import diskcache

        return diskcache.Cache(str(folder)).memoize()
    if peer == "cachier":
        import cachier

        return cachier.cachier(cache_dir=str(folder))
    import persist_to_disk

    persist_to_disk.config.set_project_path(str(Path(__file__).parent))
    persist_to_disk.config.set_persist_path(str(folder))
    if peer == QUICK:
        persist_to_disk.config.set_recheck_interval(0.001)
    return persist_to_disk.persistf()


def small(x: int) -> dict[str, Any]:
    return {"accuracy": x * 0.5, "name": f"run {x}"}


def array_result(x: int) -> Any:
    import numpy as np

    return np.random.default_rng(x).random(12_500_000)


def array_argument(array: Any) -> float:
    return float(array[0])


def hit(decorate: Any) -> float:
    """Seconds for a hit of a small result that this process had before."""
    function = decorate(small)
    function(1), function(1)
    return per_call(lambda: function(1))


def miss(decorate: Any) -> float:
    """Seconds for a miss into buckets that hold results already."""
    function, calls = decorate(small), 500
    times: list[float] = []
    for x in range(KEYS + calls):
        start = time.perf_counter()
        function(x)
        times.append(time.perf_counter() - start)
    return statistics.median(times[KEYS:])


def large_result(decorate: Any) -> float:
    """Seconds for a hit whose result is an array of 100 MB."""
    function = decorate(array_result)
    function(1), function(1)
    return per_call(lambda: function(1))


def large_argument(decorate: Any) -> float:
    """Seconds for a hit whose argument is an array of 100 MB."""
    function, array = decorate(array_argument), array_result(1)
    function(array), function(array)
    return per_call(lambda: function(array))


def together(decorate: Any, misses: float, number_of_calls: int) -> float:
    """Seconds for a call, of 8 processes that share 500 keys and have new ones now and then."""
    function = decorate(small)
    for x in range(KEYS):
        function(x)
    begin, let_begin = os.pipe()
    noted, note = os.pipe()
    pids = []
    for number in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            os.close(let_begin)
            source, new = random.Random(number), KEYS + number * number_of_calls
            calls = [
                new + i if source.random() < misses else source.randrange(KEYS)
                for i in range(number_of_calls)
            ]
            os.write(note, b"r")
            os.read(begin, 1)
            for x in calls:
                function(x)
            os.write(note, b"d")
            os._exit(0)
        pids.append(pid)
    os.close(note)
    wait_for(noted, b"r")
    start = time.perf_counter()
    os.close(let_begin)
    wait_for(noted, b"d")
    taken = time.perf_counter() - start
    failed = [pid for pid in pids if os.waitpid(pid, 0)[1]]
    if failed:
        raise ChildProcessError(f"{len(failed)} of {PROCESSES} processes failed")
    return taken / (PROCESSES * number_of_calls)


def wait_for(noted: int, mark: bytes) -> None:
    """Wait until each process has noted that it is ready, or done."""
    for _ in range(PROCESSES):
        if os.read(noted, 1) != mark:
            raise ChildProcessError("a process failed")


def together_2(decorate: Any, number_of_calls: int = CALLS) -> float:
    return together(decorate, 0.02, number_of_calls)


def together_10(decorate: Any, number_of_calls: int = CALLS) -> float:
    return together(decorate, 0.1, number_of_calls)


def per_call(function: Callable[[], object], least_s: float = 0.3) -> float:
    """Return the median time of a call, from as many as fill a while."""
    times: list[float] = []
    once = time.perf_counter()
    function()
    number = max(1, int(0.01 / (time.perf_counter() - once)))
    until = once + least_s
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        for _ in range(number):
            function()
        times.append((time.perf_counter() - start) / number)
    return statistics.median(times)


# What is measured; who takes part; goals as (peer, at most this part of the peer's time).
MEASURES: dict[str, tuple[str, tuple[str, ...], tuple[tuple[str, float], ...]]] = {
    "hit": ("small hit", (*PEERS, OURS, QUICK), (("joblib", 1 / 25), ("diskcache", 1 / 4.5))),
    "miss": ("miss into a warm bucket", (*PEERS, OURS), (("joblib", 0.25), ("diskcache", 1))),
    "large_result": ("hit, result of 100 MB", (*PEERS, OURS), (("joblib", 1 / 300),)),
    "large_argument": ("hit, argument of 100 MB", (*PEERS, OURS), (("joblib", 1 / 40),)),
    "together_2": (
        "8 processes, 2 % misses",
        (*PEERS, OURS, QUICK),
        (("joblib", 1 / 25), ("diskcache", 1 / 4)),
    ),
    "together_10": (
        "8 processes, 10 % misses",
        (*PEERS, OURS, QUICK),
        (("joblib", 1 / 25), ("diskcache", 1 / 4)),
    ),
}


def footprint(folder: Path) -> tuple[float, int]:
    """Bytes of overhead for each of 100,000 entries, and the inodes of all."""
    import pickle

    function = decorator(OURS, folder / "cache")(small)
    for x in range(MANY):
        function(x)
    files = list((folder / "cache").rglob("*"))
    stored = sum(path.stat().st_size for path in files if path.is_file())
    payloads = sum(len(pickle.dumps(small(x), 5)) for x in range(MANY))
    return (stored - payloads) / MANY, len(files) + 1


def main(peer: str, measure: str, folder: Path) -> None:
    """Measure one thing once; print what was found."""
    if measure == "footprint":
        print(json.dumps(footprint(folder)))
        return
    few = measure.startswith("together") and peer in FEWER_CALLS
    extra = (FEWER_CALLS[peer],) if few else ()
    print(globals()[measure](decorator(peer, folder / "cache"), *extra))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
