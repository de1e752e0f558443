"""Digests of what libraries make stay the same: numpy's in any version, others' in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from expcore import digest

HERE = Path(__file__).parent
GOLDEN: dict[str, Any] = json.loads((HERE / "golden" / "libraries.json").read_text())
# torch about its own sparse tensors and quantized ones, once per process
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def need(package: str) -> None:
    """Skip where the library, or the version that the digests were taken with, is missing."""
    pytest.importorskip(package)
    taken = GOLDEN["versions"].get(package)
    found = ".".join(version(package).split(".")[:2])
    if taken not in {None, found}:
        pytest.skip(f"the digests are those of {package} {taken}, and this is {found}")


def test_digests_of_libraries_are_the_golden_ones(equal_pair: tuple[str, Any]) -> None:
    name, make = equal_pair
    if name not in GOLDEN["digests"]:
        pytest.skip("a value of Python's own, or of a library without golden digests")
    need(name.partition(":")[0])

    assert digest(make()[0]) == GOLDEN["digests"][name]


def test_a_class_of_pydantic_is_the_same_in_every_process() -> None:
    """It keeps compiled validators, which are named by where they lie in memory."""
    pytest.importorskip("pydantic")
    command = [sys.executable, str(HERE / "battery_libraries.py"), "pydantic"]
    import expcore

    source = str(Path(expcore.__file__).parents[1])
    digests = {
        subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": source, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }

    assert len(digests) == 1


@pytest.mark.parametrize("seed", ["0", "1", "42", "4294967295"])
@pytest.mark.parametrize("package", ["numpy", "torch", "pandas"])
def test_they_are_so_under_any_hash_seed(package: str, seed: str) -> None:
    import expcore

    need(package)
    source = str(Path(expcore.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(HERE / "battery_libraries.py"), package],
        env={**os.environ, "PYTHONPATH": source, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )

    expected = {k: v for k, v in GOLDEN["digests"].items() if k.startswith(f"{package}:")}
    assert json.loads(done.stdout) == expected
