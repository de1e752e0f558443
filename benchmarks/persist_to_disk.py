"""persist_to_disk against its peers, side by side in one run.

Usage: python benchmarks/persist_to_disk.py [--rounds 5] [--folder FOLDER]

Peers: joblib.Memory, diskcache, cachier, and the released persist_to_disk 0.0.7; those that are
missing are installed to a folder that is removed again. Every measurement is a process of its
own with a cache of its own; within a round the peers take turns in random order, and medians
over the rounds are told. Only ratios taken in the same minutes mean anything. Writes
``results/persist_to_disk.md`` and, with matplotlib, ``results/persist_to_disk.svg``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# This script is called as the package is, and its folder comes first.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]

RESULTS = Path(__file__).parent / "results"
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
QUICK_GOAL_S = 3e-6


def worker(peer: str, measure: str, folder: Path) -> None:
    """Measure one thing once; print the seconds."""
    few = measure.startswith("together") and peer in FEWER_CALLS
    extra = (FEWER_CALLS[peer],) if few else ()
    print(globals()[measure](decorator(peer, folder / "cache"), *extra))


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


def run(peer: str, measure: str, scratch: Path) -> float | None:
    """Measure in a process of its own; None if the peer fails."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    extra = [str(scratch / "released")] if peer == OLD else []
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PERSIST_TO_DISK_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join([*extra, str(scratch / "peers")]),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, __file__, "--worker", peer, measure, str(folder)]
    os.sync()
    time.sleep(1)  # or the disk still deletes the thousands of files of another peer
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    subprocess.run(["rm", "-rf", folder], check=True)
    if done.returncode:
        print(f"{peer}, {measure}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return float(done.stdout.split()[-1])


def install(scratch: Path) -> None:
    """Install the peers for this run."""
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    targets = {"peers": ["joblib", "diskcache", "cachier"], "released": ["persist-to-disk==0.0.7"]}
    for name, packages in targets.items():
        subprocess.run([*pip, "--target", scratch / name, *packages], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="on the disk to measure")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        peer, measure, folder = options.worker
        if measure == "footprint":
            print(json.dumps(footprint(Path(folder))))
        else:
            worker(peer, measure, Path(folder))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        scratch = Path(name)
        install(scratch)
        load_before = os.getloadavg()[0]
        times = measure_all(scratch, options.rounds)
        folder = Path(tempfile.mkdtemp(dir=scratch))
        command = [sys.executable, __file__, "--worker", OURS, "footprint", str(folder)]
        environment = {**os.environ, "PERSIST_TO_DISK_HOME": str(folder / "home")}
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, check=True
        )
        overhead, inodes = json.loads(done.stdout)
        versions = peer_versions(scratch)
    load = f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    text = report(times, overhead, inodes, f"{machine()}; {versions}; {load}", options.rounds)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "persist_to_disk.md").write_text(text, encoding="utf-8")
    print(text)
    plot(times)


def measure_all(scratch: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians by measure and peer."""
    times: dict[str, dict[str, list[float]]] = {measure: {} for measure in MEASURES}
    for _ in range(rounds):
        for measure, (_, peers, _) in MEASURES.items():
            for peer in random.sample(peers, len(peers)):
                found = run(peer, measure, scratch)
                if found is not None:
                    times[measure].setdefault(peer, []).append(found)
    return {
        measure: {peer: statistics.median(each) for peer, each in by_peer.items()}
        for measure, by_peer in times.items()
    }


def report(
    times: dict[str, dict[str, float]], overhead: float, inodes: int, where: str, rounds: int
) -> str:
    columns = (*PEERS, OURS, QUICK)
    lines = [
        "# persist_to_disk against its peers\n",
        f"{where}. Medians of {rounds} rounds, each measurement in a process of its own, in",
        "shuffled turns. '1 ms' is `config.set_recheck_interval(0.001)`. For 8 processes, the",
        "time of all calls by their number. 0.0.7 takes no arrays as arguments.\n",
        f"| time of a call | {' | '.join(columns)} |",
        f"|---|{'--:|' * len(columns)}",
    ]
    for measure, (title, peers, _) in MEASURES.items():
        found = times[measure]
        cells = [duration(found.get(peer)) if peer in peers else "-" for peer in columns]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines += ["\n| goal | wanted | reached | |", "|---|--:|--:|---|"]
    for measure, (title, _, goals) in MEASURES.items():
        by_peer = times[measure]
        for peer, part in goals:
            for mine in (OURS, QUICK):
                if peer in by_peer and mine in by_peer:
                    lines.append(
                        goal_line(f"{title}, {mine} to {peer}", by_peer, peer, mine, part)
                    )
    quick = times["hit"][QUICK]
    lines += [
        f"| small hit, looking once a millisecond | ≤ 3 µs | {duration(quick)} "
        f"| {verdict(quick <= QUICK_GOAL_S)} |",
        f"| overhead of each of 100,000 entries | ≤ 200 B | {overhead:.0f} B "
        f"| {verdict(overhead <= 200)} |",
        f"| inodes of 100,000 entries | ≤ 510 | {inodes} | {verdict(inodes <= 510)} |",
    ]
    return "\n".join(lines) + "\n"


def goal_line(title: str, times: dict[str, float], peer: str, mine: str, part: float) -> str:
    ratio = times[mine] / times[peer]
    if part < 0.25 or (part == 0.25 and title.startswith("8")):
        wanted, reached = f"≥ {1 / part:.3g}x as fast", f"{1 / ratio:.1f}x"
    else:
        wanted, reached = f"≤ {part:.3g} of its time", f"{ratio:.2f}"
    return f"| {title} | {wanted} | {reached} | {verdict(ratio <= part)} |"


def verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "fails"
    unit, factor = next(
        (pair for pair in (("s", 1.0), ("ms", 1e3)) if seconds * pair[1] >= 1), ("µs", 1e6)
    )
    return f"{seconds * factor:.3g} {unit}"


def machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    python = platform.python_version()
    return f"Python {python}, {os.cpu_count()} cores ({model}), {platform.system()}"


def peer_versions(scratch: Path) -> str:
    from importlib.metadata import distributions

    found = {dist.name: dist.version for dist in distributions(path=[str(scratch / "peers")])}
    return ", ".join(f"{name} {found[name]}" for name in PEERS if name in found)


def plot(times: dict[str, dict[str, float]]) -> None:
    try:
        import matplotlib as mpl
    except ImportError:
        return
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "persist_to_disk"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(12, 6), layout="constrained")
    for axis, (measure, (title, peers, _)) in zip(axes.flat, MEASURES.items(), strict=True):
        shown = [peer for peer in peers if peer in times[measure]]
        bars = axis.barh(shown, [times[measure][peer] * 1e6 for peer in shown])
        axis.bar_label(bars, [duration(times[measure][peer]) for peer in shown], padding=3)
        axis.set(title=title, xscale="log", xlabel="µs for a call")
        axis.margins(x=0.3)
        axis.invert_yaxis()
    figure.savefig(RESULTS / "persist_to_disk.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
