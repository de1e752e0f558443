"""The table and the plot of what was measured."""

# ruff: noqa: RUF001
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

Times = dict[str, dict[str, dict[str, float]]]


def table(found: Times, extra: dict[str, float], megabytes: int, rounds: int) -> str:
    from expcore import crc32

    library = getattr(crc32, "__module__", "zlib")
    lines = [
        "# ckpt\n",
        f"{os.cpu_count()} cores, shared with other work (load {os.getloadavg()[0]:.1f} at the "
        f"end), numpy {np.__version__}, checksums by {library}; medians of {rounds} rounds.\n",
        "## Goals\n",
        "| | goal | reached | |",
        "|---|---|---|---|",
    ]
    for what, goal, reached, enough in goals(found, extra, megabytes):
        lines.append(f"| {what} | {goal} | {reached} | {'yes' if enough else '**missed**'} |")
    for kind, peers in found.items():
        title = f"{megabytes} MB in 200 arrays" if kind == "large" else "5,000 arrays of 4 kB"
        lines += [
            f"\n## {title}, in milliseconds\n",
            "| | save | load | load, cold cache | one array |",
            "|---|---|---|---|---|",
        ]
        for name, times in peers.items():
            cells = [_ms(times[k]) for k in ("save", "load", "cold", "one")]
            lines.append(f"| {name} | {' | '.join(cells)} |")
            for way in times:
                if way.startswith("one,"):
                    lines.append(f"| {name}{way.removeprefix('one')} | | | | {_ms(times[way])} |")
    return "\n".join(lines) + "\n"


def _ms(seconds: float) -> str:
    return "–" if np.isnan(seconds) else f"{seconds * 1e3:.{0 if seconds > 0.1 else 1}f}"


def goals(
    found: Times, extra: dict[str, float], megabytes: int
) -> list[tuple[str, str, str, bool]]:
    """Each goal: what, the goal, what was reached, and whether that is enough."""
    rows: list[tuple[str, str, str, bool]] = []

    def faster(what: str, kind: str, verb: str, least: dict[str, float]) -> None:
        for peer, goal in least.items():
            if peer in found[kind]:
                ratio = found[kind][peer][verb] / found[kind]["ckpt"][verb]
                text = f"{what}, against {peer}"
                rows.append((text, f"≥{goal:g}× as fast", f"{ratio:.2f}×", ratio >= goal))

    def below(what: str, most: float, value: float, unit: str) -> None:
        rows.append((what, f"≤{most:g}{unit}", f"{value:.2f}{unit}", value <= most))

    large = found["large"]
    size = f"{megabytes} MB"
    raw = large["ckpt"]["save"] / large["raw"]["save"]
    below(f"save {size} in 200 arrays, against raw direct writes", 1.1, raw, "× the time")
    peers = {"numpy": 3, "safetensors": 1.8, "torch": 3.3, "orbax": 4, "objax": 3}
    faster(f"save {size}", "large", "save", peers)
    faster("save 5,000 small", "small", "save", {"numpy": 4, "safetensors": 1})
    faster("load 5,000 small, verified", "small", "load", {"numpy": 10, "safetensors": 1})
    faster(f"load {size}, verified", "large", "load", {"numpy": 3})
    ways = {
        "one": "copied and verified",
        "one, mapped": "mapped and verified",
        "one, mapped, not verified": "mapped, its bytes not read yet",
    }
    soon = large["ckpt"]["one, mapped"]
    what = f"open {size} mapped, take one array"
    rows.append((what, "milliseconds", f"{_ms(soon)} ms", soon < 0.01))
    for way, how in ways.items():
        ratio = large["numpy"]["one"] / large["ckpt"][way]
        what = f"one array out of {size}, {how}, against numpy"
        rows.append((what, "≥5× as fast", f"{ratio:.2f}×", ratio >= 5))
    below(f"memory while saving {size}", 32, extra["memory"], " MiB")
    for kind, most in (("large", 0.6), ("small", 3)):
        blocked = extra[f"{kind} blocked"]
        title = size if kind == "large" else "5,000 small"
        for copy, into in (("copy", "memory that is there"), ("new copy", "new memory")):
            what = f"a background save of {title} blocks, against one copy into {into}"
            below(what, most, blocked / extra[f"{kind} {copy}"], "×")
    return rows


def plot(found: Times, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "ckpt"
    figure, axes = plt.subplots(2, 3, figsize=(10, 5), constrained_layout=True)
    titles = {"save": "save, durable", "load": "load, warm cache", "cold": "load, cold cache"}
    for row, (kind, peers) in zip(axes, found.items(), strict=True):
        for axis, (verb, title) in zip(row, titles.items(), strict=True):
            names = list(peers)[::-1]
            values: list[Any] = [peers[name][verb] * 1e3 for name in names]
            colors = ["#c44" if name == "ckpt" else "#99a" for name in names]
            bars = axis.barh(names, values, color=colors)
            axis.bar_label(bars, fmt="%.0f", padding=2, fontsize=7)
            axis.margins(x=0.15)
            axis.set_title(f"{kind}: {title}, ms", fontsize=9)
            axis.tick_params(labelsize=7)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
