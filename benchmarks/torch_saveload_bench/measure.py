"""What is measured of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from fresh import fresh
from models import Big, bytes_of
from peers import FEW, MAPPED, OURS, TORCH, UNVERIFIED, ways
from timing import drop, race, sync

from expcore import open_atomic, write_stages

if TYPE_CHECKING:
    from collections.abc import Callable

RAW = "as many zeros, written directly"
FORWARD, SUM = "the forward alone, model in memory", "each weight summed once, in memory"
CAN_TELL_MEMORY = Path("/proc/self/status").exists()


def measure(
    body: type[Big], layers: int, folder: Path, rounds: int, peers: Path | None
) -> dict[str, Any]:
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
    if CAN_TELL_MEMORY and body is Big:
        alone = {name: fresh(name, body, layers, folder, peers) for name in found}
        result["peak"] = {name: megabytes for name, (megabytes, _) in alone.items()}
        result["fresh"] = {name: seconds for name, (_, seconds) in alone.items()}
    for name in files.values():
        name.unlink()
    return result


def measure_first(
    body: type[Big], layers: int, folder: Path, rounds: int, peers: Path | None
) -> dict[str, Any]:
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
    if CAN_TELL_MEMORY:
        result["fresh"] = {name: fresh(name, body, layers, folder, peers)[1] for name in found}
    for _, way in found.values():
        (folder / way.file).unlink()
    return result
