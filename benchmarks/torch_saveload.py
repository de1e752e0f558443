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
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.remove(str(Path(__file__).parent))  # where this file hides the package of its name
if "--peers" in sys.argv:
    sys.path.append(sys.argv[sys.argv.index("--peers") + 1])

import torch
from torch import nn

import torch_saveload
from expcore import crc32, open_atomic, write_stages
from torch_saveload import save_load

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "results" / "torch_saveload.md"
WIDTH = 2048
SMALL = 64
OURS, UNVERIFIED = "torch_saveload", "torch_saveload, verify=False"
TORCH, MAPPED = "torch, construct + load + assign", "torch, the same with mmap=True"
SAFE, RAW = "safetensors", "as many zeros, written directly"
HUB, ORIGINAL = "PyTorchModelHubMixin", "original save_load"
FORWARD, SUM = "the forward alone, model in memory", "each weight summed once, in memory"
FEW = (OURS, UNVERIFIED, TORCH, SAFE)


class Big(nn.Module):
    """A few large matrices."""

    width = WIDTH

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(layers))

    @classmethod
    def input(cls) -> torch.Tensor:  # noqa: D102
        return torch.ones(1, cls.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        for layer in self.layers:
            x = layer(x)
        return x


class Normal(Big):
    """The same, initialised as GPT-2, BERT and ViT are: over all that the layers did."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)


class Tables(Big):
    """Embedding tables with a small head, as recommenders have: a forward reads little of it."""

    def __init__(self, layers: int) -> None:
        nn.Module.__init__(self)
        rows = WIDTH * WIDTH // SMALL  # each as large as one of the matrices
        self.layers = nn.ModuleList(nn.EmbeddingBag(rows, SMALL) for _ in range(layers))
        self.head = nn.Sequential(nn.Linear(SMALL * layers, 128), nn.ReLU(), nn.Linear(128, 1))

    @classmethod
    def input(cls) -> torch.Tensor:  # noqa: D102
        return torch.arange(0, WIDTH, 64)[None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return self.head(torch.cat([layer(x) for layer in self.layers], 1))


class Many(Big):
    """Thousands of small tensors."""

    width = SMALL

    def __init__(self, layers: int) -> None:
        nn.Module.__init__(self)
        self.layers = nn.ModuleList(nn.LayerNorm(SMALL) for _ in range(layers))


class Way:
    """One way to save and load."""

    def __init__(
        self, file: str, save: Callable[[Any, Path], object], load: Callable[[Path], nn.Module]
    ) -> None:
        self.file, self.save, self.load = file, save, load


def ways(
    body: type[Big], layers: int, *, built: int | None = None
) -> dict[str, tuple[nn.Module, Way]]:
    """Return a model and the way it is saved and loaded, for each peer that is installed.

    Args:
        body: What the model is.
        layers: Layers of the models in the files.
        built: Layers of the models that are returned, where other than that.
    """

    @save_load()
    class Ours(body):  # type: ignore[misc, valid-type]
        pass

    def torch_load(path: Path, *, mmap: bool = False) -> nn.Module:
        model = body(layers)
        model.load_state_dict(torch.load(path, weights_only=True, mmap=mmap), assign=True)
        return model

    def torch_save(model: nn.Module, path: Path) -> None:
        torch.save(model.state_dict(), path)

    built = layers if built is None else built
    ours, plain = Ours(built), body(built)
    found = {
        OURS: (ours, Way("ours.pth", lambda m, p: m.save(p), Ours.load)),
        UNVERIFIED: (
            ours,
            Way("also_ours.pth", lambda m, p: m.save(p), lambda p: Ours.load(p, verify=False)),
        ),
        TORCH: (plain, Way("torch.pth", torch_save, torch_load)),
        MAPPED: (plain, Way("mapped.pth", torch_save, lambda p: torch_load(p, mmap=True))),
    }
    if importlib.util.find_spec("safetensors"):
        from safetensors.torch import load_model, save_model

        def safe_load(path: Path) -> nn.Module:
            model = body(layers)
            load_model(model, path)
            return model

        found[SAFE] = plain, Way("m.safetensors", lambda m, p: save_model(m, str(p)), safe_load)
    if importlib.util.find_spec("huggingface_hub"):
        from huggingface_hub import PyTorchModelHubMixin

        class Hub(body, PyTorchModelHubMixin):  # type: ignore[misc, valid-type]
            pass

        found[HUB] = (
            Hub(built),
            Way(
                "hub/model.safetensors",
                lambda m, p: m.save_pretrained(p.parent),
                lambda p: Hub.from_pretrained(p.parent),
            ),
        )
    if original := original_decorator():

        @original()
        class Original(body):  # type: ignore[misc, valid-type]
            pass

        found[ORIGINAL] = (
            Original(built),
            Way("original.pt", lambda m, p: m.save(p), Original.init_and_load),
        )
    return found


def original_decorator() -> Any:
    """Return the original decorator from its own file: its package imports much else."""
    for folder in sys.path:
        file = Path(folder, "pytorch_custom_utils", "save_load.py")
        if file.exists():
            spec = importlib.util.spec_from_file_location("original_save_load", file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.save_load
    return None


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def drop(path: Path) -> None:
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def race(
    entries: dict[str, Callable[[], object]],
    rounds: int,
    before: Callable[[str], object] = lambda _: None,
    *,
    unmeasured: int = 0,
) -> dict[str, float]:
    """Return the median seconds of each, in turns, after some rounds that only warm up."""
    times: dict[str, list[float]] = {name: [] for name in entries}
    names = list(entries)
    for turn in range(-unmeasured, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            before(name)
            start = time.perf_counter()
            entries[name]()
            if turn >= 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def fresh(name: str, body: type[Big], layers: int, folder: Path) -> tuple[float, float]:
    """Return what loading and one forward take in a fresh process: megabytes at most, seconds."""
    command = [sys.executable, __file__, "--peak", name, body.__name__, str(layers), str(folder)]
    if "--peers" in sys.argv:
        command += sys.argv[sys.argv.index("--peers") :][:2]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    megabytes, seconds = done.stdout.splitlines()[-1].split()
    return float(megabytes), float(seconds)


def print_fresh(name: str, body: type[Big], layers: int, folder: Path) -> None:
    _, way = ways(body, layers, built=1)[name]
    x, before, start = body.input(), resident("VmRSS"), time.perf_counter()
    with torch.no_grad():
        way.load(folder / way.file)(x)
    seconds = time.perf_counter() - start
    print((resident("VmHWM") - before) / 1000, seconds)


def resident(field: str) -> int:
    """Return a field of this process in kB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1])


def bytes_of(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def measure(body: type[Big], layers: int, folder: Path, rounds: int) -> dict[str, Any]:
    """Return the seconds of each peer for each thing that is measured, and the peak MB."""
    found = ways(body, layers)
    files = {name: folder / way.file for name, (_, way) in found.items()}
    (folder / "hub").mkdir(exist_ok=True)
    x = body.input()

    def saving(name: str) -> Callable[[], object]:
        model, way = found[name]

        def save() -> None:
            way.save(model, files[name])
            if name not in {OURS, UNVERIFIED}:  # which did so themselves
                sync(files[name])

        return save

    def raw() -> None:
        with open_atomic(folder / "raw") as file:
            write_stages(file, bytes_of(found[OURS][0]), lambda _, __: None)

    result: dict[str, Any] = {}
    for name in (UNVERIFIED, MAPPED):  # they save as the others do
        saving(name)()
    saves = {name: saving(name) for name in found if name not in {UNVERIFIED, MAPPED}}
    result["save"] = race({**saves, RAW: raw} if body is Big else saves, rounds, unmeasured=1)
    (folder / "raw").unlink(missing_ok=True)
    loading = {
        name: lambda way=way, name=name: way.load(files[name])(x)
        for name, (_, way) in found.items()
    }
    with torch.no_grad():
        # Twice, since the system maps a file faster from the third time on that it is read.
        result["warm"] = race(loading, rounds, unmeasured=2)
        result["cold"] = race(loading, rounds, lambda name: drop(files[name]))
        only = {name: lambda n=name: found[n][1].load(files[n]) for name in found}
        result["load only"] = race(only, rounds)
        if body is Big:
            model = found[TORCH][0]
            floors = {
                FORWARD: lambda: model(x),
                SUM: lambda: [parameter.sum() for parameter in model.parameters()],
            }
            result["warm"] |= race(floors, rounds, unmeasured=1)
    if Path("/proc/self/status").exists() and body is Big:
        alone = {name: fresh(name, body, layers, folder) for name in found}
        result["peak"] = {name: megabytes for name, (megabytes, _) in alone.items()}
        result["fresh"] = {name: seconds for name, (_, seconds) in alone.items()}
    for name in files.values():
        name.unlink()
    return result


def measure_first(body: type[Big], layers: int, folder: Path, rounds: int) -> dict[str, Any]:
    """Return the seconds from a file in the page cache to a model, and to its first forward."""
    found = {name: way for name, way in ways(body, layers).items() if name in FEW}
    x, model = body.input(), found[TORCH][0]
    for source, way in found.values():
        way.save(source, folder / way.file)
        sync(folder / way.file)
    load = {name: lambda way=way: way.load(folder / way.file) for name, (_, way) in found.items()}
    first = {name: lambda name=name: load[name]()(x) for name in found}
    first[FORWARD] = lambda: model(x)
    first[SUM] = lambda: [parameter.sum() for parameter in model.parameters()]
    with torch.no_grad():
        result = {"warm": race(first, rounds, unmeasured=1), "load only": race(load, rounds)}
    if Path("/proc/self/status").exists():
        result["fresh"] = {name: fresh(name, body, layers, folder)[1] for name in found}
    for _, way in found.values():
        (folder / way.file).unlink()
    return result


def tables(title: str, found: dict[str, Any]) -> list[str]:
    columns = {
        "save": "save",
        "warm": "load + forward, warm",
        "cold": "load + forward, cold",
        "load only": "load alone, warm",
        "fresh": "load + forward, fresh process",
        "peak": "peak memory",
    }
    kept = [key for key in columns if key in found]
    lines = [f"## {title}", "", f"| | {' | '.join(columns[key] for key in kept)} |"]
    lines.append("|---|" + "--:|" * len(kept))
    for name in {**found["warm"], **found.get("save", {})}:
        cells = [
            ""
            if (value := found[key].get(name)) is None
            else f"{value:.0f} MB"
            if key == "peak"
            else f"{value * 1000:.1f} ms"
            for key in kept
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def goals(
    big: dict[str, Any],
    others: dict[str, dict[str, Any]],
    many: dict[str, Any],
    megabytes: float,
) -> list[str]:
    """Return a row for each goal: peers' time by ours, so more is better where it says so."""
    rows: list[tuple[str, str, float, bool | None]] = []

    def faster(what: str, goal: float, found: dict[str, float], peer: str, us: str = OURS) -> None:
        if peer in found:
            ratio = found[peer] / found[us]
            rows.append((what, f">= {goal}x", ratio, ratio >= goal))

    def within(what: str, goal: float, value: float) -> None:
        rows.append((what, f"<= {goal}x", value, value <= goal))

    faster("save 1 GB, by torch.save", 2.9, big["save"], TORCH)
    if RAW in big["save"]:
        ratio = big["save"][TORCH] / big["save"][RAW]
        rows.append(
            ("the most that this disk allows: direct writes, by torch.save", "", ratio, None)
        )
    faster("save 1 GB, by safetensors", 0.95, big["save"], SAFE)
    faster("save 3,000 small tensors, by torch.save", 2, many["save"], TORCH)
    for what, found in {"1 GB of bare nn.Linear": big, **others}.items():
        first = f"{what}, to its first forward, warm, by construct + load + assign"
        faster(first, 72, found["warm"], TORCH)
        faster("the same, verify=False", 72, found["warm"], TORCH, UNVERIFIED)
        if "fresh" in found:
            faster("the same, in a fresh process", 72, found["fresh"], TORCH)
        most = found["warm"][TORCH] / found["warm"][FORWARD]
        rows.append(("the most there is: that by the forward alone", "", most, None))
        faster("the same, until it is loaded", 72, found["load only"], TORCH)
        faster("that, verify=False", 72, found["load only"], TORCH, UNVERIFIED)
    faster("1 GB to its first forward, cold, by safetensors' load_model", 2.5, big["cold"], SAFE)
    faster("1 GB to its first forward, cold, by HF's from_pretrained", 2.5, big["cold"], HUB)
    verified = big["cold"][OURS] / big["cold"][UNVERIFIED]
    within("verify on, by without it, cold", 1.3, verified)
    faster("load 1,500 LayerNorms, by construct + load + assign", 5, many["warm"], TORCH)
    faster("load 1,500 LayerNorms, by safetensors", 4, many["warm"], SAFE)
    if "peak" in big:
        within("peak memory, by the model", 1.1, big["peak"][OURS] / megabytes)
    lines = ["## Goals", "", "| goal | wanted | reached | |", "|---|--:|--:|---|"]
    lines += [
        f"| {what} | {goal} | {value:.2f}x | {'' if met is None else 'met' if met else 'missed'} |"
        for what, goal, value, met in rows
    ]
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the large model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go")
    parser.add_argument("--peers", type=Path, default=None, help="where else to find peers")
    parser.add_argument("--keep", type=Path, default=None, help="measure only what is not there")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    parser.add_argument("--peak", nargs=4, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        name, body, layers, folder = args.peak
        print_fresh(
            name, {"Big": Big, "Normal": Normal, "Tables": Tables}[body], int(layers), Path(folder)
        )
        return
    began = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    size = 4 * WIDTH * (WIDTH + 1) / 1e6
    layers = max(1, int(args.megabytes / size))
    normal, embeddings = "1 GB of nn.Linear initialised as GPT-2 is", "1 GB of embedding tables"
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "many": lambda folder: measure(Many, 1500, folder, args.rounds),
        "big": lambda folder: measure(Big, layers, folder, args.rounds),
        normal: lambda folder: measure_first(Normal, layers, folder, args.rounds),
        embeddings: lambda folder: measure_first(Tables, layers, folder, args.rounds),
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
