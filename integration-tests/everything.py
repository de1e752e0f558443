"""A script that uses whichever of the five packages are installed, and says what it saw.

Run as ``python everything.py PROJECT_FOLDER``; prints one JSON object.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ["codesave", "persist_to_disk", "savethat", "ckpt", "torch_saveload"]
INSTALLED = [name for name in PACKAGES if importlib.util.find_spec(name)]
PROJECT = Path(sys.argv[1]).resolve()


def use_all(folder: Path) -> float:
    """Write one thing with each package that is there."""
    if "codesave" in INSTALLED:
        import codesave

        codesave.checkpoint(PROJECT, output_zipname=folder / "by_hand.zip")
    if "persist_to_disk" in INSTALLED:
        import persist_to_disk as ptd

        ptd.config.set_persist_path(PROJECT / "cache")
        squared = ptd.persistf()(square)
        assert squared(3) == squared(3) == 9
    if "ckpt" in INSTALLED:
        import numpy as np

        import ckpt

        variables = ckpt.VarCollection({"w": np.arange(3.0)})
        checkpoint = ckpt.Checkpoint(str(folder), keep_ckpts=2, verbose=False)
        for idx in (1, 2, 3):
            checkpoint.save(variables, idx=idx)
        assert checkpoint.restore(variables)[0] == 3
    if "torch_saveload" in INSTALLED:
        import torch

        from torch_saveload import save_load

        @save_load()
        class Net(torch.nn.Module):
            def __init__(self, width: int = 2) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(2, width)

        Net(width=5).save(folder / "net.pth")
        assert Net.load(folder / "net.pth").layer.out_features == 5
    return 1.0


def square(number: int) -> int:
    """Something to cache."""
    return number * number


def run_as_node() -> dict[str, object]:
    """Do it all inside a run; what the run lists."""
    import savethat

    @dataclass(frozen=True)
    class Args:
        number: int = 3

    class UseAll(savethat.Node[Args, float]):
        def _run(self) -> float:
            return use_all(self.output_dir)

    (PROJECT / "savethat.toml").write_text('local_path = "${PROJECT_ROOT}/runs"\n', "utf-8")
    node = savethat.create_node(UseAll, Args(), env_file=PROJECT / "savethat.toml")
    result = node.run()
    listed = node.output_dir / "artifacts.jsonl"
    lines = listed.read_text("utf-8").splitlines() if listed.exists() else []
    return {
        "result": result,
        "artifacts": [json.loads(line) for line in lines],
        "files": sorted(path.name for path in node.output_dir.iterdir()),
    }


def main() -> None:
    """Use what is there and print what was seen."""
    if "savethat" in INSTALLED:
        print(json.dumps(run_as_node()))
    else:
        print(json.dumps({"result": use_all(PROJECT), "artifacts": [], "files": []}))


if __name__ == "__main__":
    main()
