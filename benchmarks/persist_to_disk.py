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
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
WORKER = HERE / "persist_bench" / "measures.py"
sys.path[0] = str(WORKER.parent)  # not this folder: this file hides the package

from measures import MEASURES, OLD, OURS  # noqa: E402
from report import machine, peer_versions, plot, report  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="on the disk to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        scratch = Path(name)
        install(scratch)
        load_before = os.getloadavg()[0]
        times = measure_all(scratch, options.rounds)
        overhead, inodes = json.loads(run(OURS, "footprint", scratch) or "")
        versions = peer_versions(scratch)
    load = f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    text = report(times, overhead, inodes, f"{machine()}; {versions}; {load}", options.rounds)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "persist_to_disk.md").write_text(text, encoding="utf-8")
    print(text)
    plot(times, RESULTS / "persist_to_disk.svg")


def install(scratch: Path) -> None:
    """Install the peers for this run."""
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    targets = {"peers": ["joblib", "diskcache", "cachier"], "released": ["persist-to-disk==0.0.7"]}
    for name, packages in targets.items():
        subprocess.run([*pip, "--target", scratch / name, *packages], check=True)


def measure_all(scratch: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians by measure and peer."""
    times: dict[str, dict[str, list[float]]] = {measure: {} for measure in MEASURES}
    for _ in range(rounds):
        for measure, (_, peers, _) in MEASURES.items():
            for peer in random.sample(peers, len(peers)):
                found = run(peer, measure, scratch)
                if found is not None:
                    times[measure].setdefault(peer, []).append(float(found))
    return {
        measure: {peer: statistics.median(each) for peer, each in by_peer.items()}
        for measure, by_peer in times.items()
    }


def run(peer: str, measure: str, scratch: Path) -> str | None:
    """Measure in a process of its own, and return what it printed; None if the peer fails."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    extra = [str(scratch / "released")] if peer == OLD else []
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PERSIST_TO_DISK_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join([*extra, str(scratch / "peers")]),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, WORKER, peer, measure, folder]
    os.sync()
    time.sleep(1)  # or the disk still deletes the thousands of files of another peer
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    subprocess.run(["rm", "-rf", folder], check=True)
    if done.returncode:
        print(f"{peer}, {measure}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    main()
