"""The tables and the plot of the benchmark."""

from __future__ import annotations

import os
import platform
from importlib.metadata import distributions
from pathlib import Path

from measures import MEASURES, OURS, PEERS, QUICK

QUICK_GOAL_S = 3e-6


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
    found = {dist.name: dist.version for dist in distributions(path=[str(scratch / "peers")])}
    return ", ".join(f"{name} {found[name]}" for name in PEERS if name in found)


def plot(times: dict[str, dict[str, float]], file: Path) -> None:
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
    figure.savefig(file, metadata={"Date": None})
