"""Saving and loading models beside torch.save, safetensors and HF's mixin, in one run.

python benchmarks/torch_saveload.py [--megabytes 1000] [--rounds 5] [--folder DIR] [--write]

Peers take turns, so that all meet the same machine; everything saved is fsynced; a cold page cache
is one from which the file was dropped (``posix_fadvise``). Shown is the median, and how many times
as fast as each peer this package is. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.remove(str(Path(__file__).parent))  # where this file hides the package of its name

import torch
from torch import nn

import torch_saveload
from torch_saveload import save_load

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "results" / "torch_saveload.md"
WIDTH = 2048


@save_load()
class Big(nn.Module):
    """A few large matrices."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        for layer in self.layers:
            x = layer(x)
        return x


@save_load()
class Many(nn.Module):
    """Thousands of small tensors."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LayerNorm(64) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        for layer in self.layers:
            x = layer(x)
        return x


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def drop(path: Path) -> None:
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def torch_save(model: nn.Module, path: Path) -> None:
    torch.save(model.state_dict(), path)
    sync(path)


def torch_load(cls: type[nn.Module], layers: int, path: Path) -> nn.Module:
    model = cls(layers)
    model.load_state_dict(torch.load(path, mmap=True, weights_only=True), assign=True)
    return model


def race(entries: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each, in turns; the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in entries}
    for turn in range(rounds + 1):
        for name, function in entries.items():
            start = time.perf_counter()
            function()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def rows(title: str, found: dict[str, float]) -> list[str]:
    ours = found["torch_saveload"]
    return [
        f"| {title} | {name} | {seconds * 1000:.1f} ms | {seconds / ours:.2f} |"
        for name, seconds in found.items()
    ]


def measure(cls: type[nn.Module], layers: int, folder: Path, rounds: int, what: str) -> list[str]:
    """Save and load one model in every way there is."""
    model = cls(layers)
    size = sum(tensor.nbytes for tensor in model.state_dict().values()) / 1e6
    ours, theirs, safe = (folder / name for name in ("ours.pth", "torch.pth", "safe.safetensors"))
    x = torch.ones(1, WIDTH if cls is Big else 64)
    saves: dict[str, Callable[[], object]] = {
        "torch_saveload": lambda: model.save(ours),
        "torch.save": lambda: torch_save(model, theirs),
    }
    loads: dict[str, tuple[Path, Callable[[], nn.Module]]] = {
        "torch_saveload": (ours, lambda: cls.load(ours)),
        "torch_saveload, verify=False": (ours, lambda: cls.load(ours, verify=False)),
        "torch.load(mmap), assign": (theirs, lambda: torch_load(cls, layers, theirs)),
    }
    try:
        from safetensors.torch import load_model, save_model
    except ImportError:
        pass
    else:

        def safe_save() -> None:
            save_model(model, str(safe))
            sync(safe)

        def safe_load() -> nn.Module:
            fresh = cls(layers)
            load_model(fresh, safe)
            return fresh

        saves["safetensors"] = safe_save
        loads["safetensors load_model"] = safe, safe_load
    lines = rows(f"save {what} ({size:.0f} MB)", race(saves, rounds))
    with torch.no_grad():
        warm = {name: lambda load=load: load()(x) for name, (_, load) in loads.items()}
        lines += rows(f"load {what}, warm, to the first forward", race(warm, rounds))
        cold = {
            name: lambda path=path, load=load: (drop(path), load()(x))
            for name, (path, load) in loads.items()
        }
        lines += rows(f"load {what}, cold, to the first forward", race(cold, rounds))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the large model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        layers = max(1, args.megabytes * 1_000_000 // (4 * WIDTH * (WIDTH + 1)))
        lines = measure(Big, layers, folder, args.rounds, "large tensors")
        lines += measure(Many, 1500, folder, args.rounds, "3,000 small tensors")
    head = [
        f"torch_saveload {torch_saveload.__version__}, torch {torch.__version__}, "
        f"{platform.system()}, {os.cpu_count()} CPUs, median of {args.rounds} rounds in turns.",
        "",
        "| what | who | time | times ours |",
        "|---|---|---:|---:|",
    ]
    text = "\n".join([*head, *lines]) + "\n"
    print(text)
    if args.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
