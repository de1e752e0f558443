"""The measurements as tables."""

from __future__ import annotations

from typing import Any

from measure import FORWARD, RAW
from peers import HUB, OURS, SAFE, TORCH, UNVERIFIED


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
