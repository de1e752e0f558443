"""How light savethat is: CPU time of commands and of an empty run beside other trackers; uploads.

    python benchmarks/savethat.py [--rounds 11] [--runs 10000] [--out benchmarks/results]
        [--megabytes 1000] [--files 1000] [--peer mlflow=/some/venv/bin/python] …

Each contestant takes its turn in each round, in a fresh process, so that what slows one slows all.
Times are user plus system CPU seconds of the process. mlflow, sacred and aim take part where they
are installed, or with an environment of their own; everything is local, in a temporary folder.
The ratios are of two times of the same round.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from savethat_bench.tables import cpu_table, upload_table

if sys.platform != "win32":
    import resource

NODES = """
import dataclasses, savethat
@dataclasses.dataclass(frozen=True)
class EmptyArgs:
    x: int = 1
class Empty(savethat.Node[EmptyArgs, int]):
    def _run(self):
        return 1
"""
MAIN = """
import savethat
if __name__ == "__main__":
    savethat.run_main("light", env_file="savethat.toml")
"""
MLFLOW = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
with mlflow.start_run():
    mlflow.log_param("x", 1)
    mlflow.log_metric("y", 1)
"""
SACRED = """
from sacred import Experiment
from sacred.observers import FileStorageObserver
ex = Experiment("empty", save_git_info=False)
ex.observers.append(FileStorageObserver("sacred"))
@ex.config
def config():
    x = 1
@ex.automain
def main(x):
    return 1
"""
AIM = """
from aim import Run
run = Run(repo=".", log_system_params=True)
run["x"] = 1
run.track(1, name="y")
run.close()
"""
FIND = """
import time, savethat
storage = savethat.get_storage("savethat.toml")
storage.find_runs()  # remember what finished runs hold
start = time.process_time()
found = storage.find_runs()
print(time.process_time() - start, len(found))
"""


def make_project(folder: Path) -> None:
    (folder / "light").mkdir(parents=True)
    (folder / "light" / "__init__.py").write_text(NODES)
    (folder / "light" / "__main__.py").write_text(MAIN)
    (folder / "savethat.toml").write_text('local_path = "${PROJECT_ROOT}/data_storage"\n')


def make_runs(folder: Path, number: int) -> None:
    """Runs as savethat leaves them, an hour old; one in ten has failed."""
    make_project(folder)
    start = datetime(2026, 1, 1)  # only its text is used
    old = time.time_ns() - 3600 * 10**9
    for i in range(number):
        time_text = (start + timedelta(minutes=i)).strftime("%Y-%m-%dT%H-%M-%S")
        run = folder / "data_storage" / f"Empty_{time_text}_{i:06d}"
        run.mkdir(parents=True)
        (run / "args.json").write_text(json.dumps({"x": i, "lr": 0.1, "name": "abc"}))
        for name in ("output.log", "output.jsonl", "reproducible.json"):
            (run / name).write_text("{}\n")
        state = "failed" if i % 10 == 0 else "completed"
        (run / "state.json").write_text(json.dumps({"state": state}))
        if state == "completed":
            (run / "results.pickle").write_bytes(b"x")
        os.utime(run, ns=(old, old))


def cpu_ms(command: list[str], cwd: Path) -> float:
    """CPU milliseconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "SAVETHAT_DISABLE_PLUGINS": "1", "HOME": str(cwd)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each process compiles all it imports
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def contestants(
    small: Path, big: Path, peers: dict[str, str]
) -> dict[str, tuple[list[str], Path]]:
    python = [sys.executable]
    project = [*python, "-m", "light"]
    found = {
        "empty Python": ([*python, "-c", ""], small),
        "savethat --help": ([*project, "--help"], small),
        "savethat nodes": ([*project, "nodes"], small),
        "savethat ls": ([*project, "ls"], small),
        "savethat run (empty node)": ([*project, "run", "light.Empty"], small),
        "savethat ls, many runs": ([*project, "ls"], big),
        "savethat ls --completed, many runs": ([*project, "ls", "Empty", "--completed"], big),
    }
    for name, script in {"mlflow": MLFLOW, "sacred": SACRED, "aim": AIM}.items():
        if name not in peers and importlib.util.find_spec(name) is not None:
            peers[name] = sys.executable
        if name in peers:
            file = small / f"with_{name}.py"
            file.write_text(script)
            if name == "aim":
                aim = Path(peers[name]).with_name("aim")
                subprocess.run([aim, "init"], cwd=small, check=True, capture_output=True)
            found[f"{name} (empty run)"] = ([peers[name], str(file)], small)
    return found


def find_runs_ms(big: Path) -> float:
    """CPU milliseconds of one ``find_runs`` over all runs, in a process that has begun."""
    done = subprocess.run(
        [sys.executable, "-c", FIND], cwd=big, check=True, capture_output=True, text=True
    )
    return 1000 * float(done.stdout.split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--megabytes", type=int, default=1000, help="of the large file")
    parser.add_argument("--files", type=int, default=1000, help="of the many small ones")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    options = parser.parse_args()
    peers = dict(peer.split("=", 1) for peer in options.peer)
    with tempfile.TemporaryDirectory() as scratch:
        small, big = Path(scratch, "small"), Path(scratch, "big")
        make_project(small)
        make_runs(big, options.runs)
        cases = contestants(small, big, peers)
        for command, cwd in cases.values():  # compile what is imported
            cpu_ms(command, cwd)
        times: dict[str, list[float]] = {name: [] for name in cases}
        times["find_runs, many runs (in a process)"] = []
        names = list(cases)
        for turn in range(options.rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                times[name].append(cpu_ms(*cases[name]))
            times["find_runs, many runs (in a process)"].append(find_runs_ms(big))
    lines = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} at the end; {options.rounds} rounds, {options.runs} runs where "
        "there are many.",
        "",
        *cpu_table(times),
        "",
        *upload_table(options.megabytes, options.files),
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "savethat.md").write_text("# savethat\n\n" + "\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
