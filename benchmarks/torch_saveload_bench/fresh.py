"""Load a model once, and run it once, in a process of its own.

Usage: python fresh.py NAME MODEL LAYERS FOLDER [PEERS]; prints megabytes and seconds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models import Big


def fresh(
    name: str, body: type[Big], layers: int, folder: Path, peers: Path | None
) -> tuple[float, float]:
    """Return what loading and one forward take in a fresh process: megabytes at most, seconds.

    Args:
        name: Which way to load.
        body: What the model is.
        layers: Of the model.
        folder: Where its file is.
        peers: Where else to find peers.
    """
    command = [sys.executable, __file__, name, body.__name__, str(layers), str(folder)]
    command += [] if peers is None else [str(peers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    megabytes, seconds = done.stdout.splitlines()[-1].split()
    return float(megabytes), float(seconds)


def resident(field: str) -> int:
    """Return a field of this process in kB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1])


def main(name: str, model: str, layers: str, folder: str, peers: str = "") -> None:
    if peers:
        sys.path.append(peers)
    import torch
    from models import BODIES
    from peers import ways

    body = BODIES[model]
    _, way = ways(body, int(layers), built=1)[name]
    x, before, start = body.input(), resident("VmRSS"), time.perf_counter()
    with torch.no_grad():
        way.load(Path(folder, way.file))(x)
    seconds = time.perf_counter() - start
    print((resident("VmHWM") - before) / 1000, seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
