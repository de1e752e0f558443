"""Saving and loading models beside torch, safetensors, Hugging Face's mixin and the original.

python benchmarks/torch_saveload.py [--megabytes 1000] [--rounds 5] [--folder DIR] [--peers DIR]
                                    [--keep FILE] [--write]

Peers take turns, each round begun by another, so that all meet the same machine; each has a file
of its own; everything saved is fsynced; a cold page cache is one from which the file was dropped
(``posix_fadvise``). Shown is the median. Loading goes on to the first forward; peak memory is that
of a process of its own, above what it takes once torch and the peers are imported; so is the time
of a fresh process. Peers that are
not installed are left out; ``--peers`` is a folder to find them in: ``pip install --target DIR
huggingface_hub beartype`` and, as it asks for much that is not used here, ``pip install --target
DIR --no-deps pytorch-custom-utils``. Where it is interrupted, another run with the same ``--keep``
goes on after the last of its four parts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
sys.path[0] = str(HERE / "torch_saveload_bench")  # not this folder: this file hides the package

import torch  # noqa: E402
from measure import measure, measure_first  # noqa: E402
from models import WIDTH, Big, Many, Normal, Tables  # noqa: E402
from report import goals, tables  # noqa: E402

import torch_saveload  # noqa: E402
from expcore import crc32  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = HERE / "results" / "torch_saveload.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the large model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go")
    parser.add_argument("--peers", type=Path, default=None, help="where else to find peers")
    parser.add_argument("--keep", type=Path, default=None, help="measure only what is not there")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    args = parser.parse_args()
    if args.peers:
        sys.path.append(str(args.peers))
    began = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    size = 4 * WIDTH * (WIDTH + 1) / 1e6
    layers = max(1, int(args.megabytes / size))
    rest = args.rounds, args.peers
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "many": lambda folder: measure(Many, 1500, folder, *rest),
        "big": lambda folder: measure(Big, layers, folder, *rest),
        "1 GB of nn.Linear initialised as GPT-2 is": lambda folder: measure_first(
            Normal, layers, folder, *rest
        ),
        "1 GB of embedding tables": lambda folder: measure_first(Tables, layers, folder, *rest),
    }
    kept = args.keep and args.keep.exists()
    measured: dict[str, dict[str, Any]] = json.loads(args.keep.read_text()) if kept else {}
    for name, part in parts.items():
        if name not in measured:
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                measured[name] = part(Path(folder))
            if args.keep:
                args.keep.write_text(json.dumps(measured))
    many, big = measured.pop("many"), measured.pop("big")
    load = ""
    if hasattr(os, "getloadavg"):
        load = f"; load {began:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end"
    head = [
        "# torch_saveload beside its peers",
        "",
        f"torch_saveload {torch_saveload.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs; median of "
        f"{args.rounds} rounds in turns, all files fsynced{load}; CRC-32 by {crc32.__module__}. "
        "Peak memory is that of a fresh process above its start, pages of mapped files among it.",
        "",
    ]
    text = "\n".join(
        [
            *head,
            *goals(big, measured, many, layers * size),
            *tables(f"{layers * size:.0f} MB in {2 * layers} tensors", big),
            *[line for label, found in measured.items() for line in tables(label, found)],
            *tables("3,000 tensors of 64 numbers (1,500 LayerNorms)", many),
        ]
    )
    print(text)
    if args.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
