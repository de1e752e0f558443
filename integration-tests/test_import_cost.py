"""Importing any of the six is cheap: nothing heavy comes along before it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "wandb", "b2sdk", "jax", "pandas", "rich", "loguru", "tap", "sklearn"}
MOST_MODULES = 160
"""Of ours and of the standard library, beyond what an empty interpreter has loaded.

A module costs some 0.2 ms, so this is the budget of 50 ms with room for a slow disk; counting
modules gives the same answer on every machine, which timing does not.
"""

LIST_MODULES = "import sys, json; before = set(sys.modules); import {name}; "
LIST_MODULES += "print(json.dumps(sorted(set(sys.modules) - before)))"


@pytest.mark.parametrize(
    "name", ["expcore", "codesave", "persist_to_disk", "savethat", "ckpt", "torch_saveload"]
)
def test_an_import_loads_nothing_heavy_and_few_modules(name: str) -> None:
    command = [sys.executable, "-W", "error", "-c", LIST_MODULES.format(name=name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    loaded = json.loads(done.stdout)

    assert not HEAVY & {module.partition(".")[0] for module in loaded}
    assert len(loaded) <= MOST_MODULES, f"{name} loads {len(loaded)} modules: {loaded}"
    assert done.stderr == ""
