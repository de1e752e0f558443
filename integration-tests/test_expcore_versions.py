"""Digests are the golden ones under each Python, with numpy 1 and numpy 2."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environments import ROOT, Environment

TESTS = ROOT / "packages" / "expcore" / "tests"
SEEDS = ["0", "1", "42", "4294967295"]
# numpy 1.26 has no wheels for 3.13.
CASES = [
    ("3.11", "numpy==1.26.4"), ("3.12", "numpy==1.26.4"), ("3.12", "numpy"), ("3.13", "numpy"),
]  # fmt: skip


def interpreter(version: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    found = shutil.which(f"python{version}")
    if found is not None and Path(found).parent.name == "shims":  # pyenv's, which may refuse
        versions = Path(found).parents[1] / "versions"
        found = next(map(str, sorted(versions.glob(f"{version}.*/bin/python"))), None)
    return found


@pytest.mark.parametrize(("version", "numpy"), CASES)
def test_digests_are_the_golden_ones(
    version: str, numpy: str, wheels: dict[str, Path], tmp_path: Path
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    command = [sys.executable, "-m", "uv", "venv", "-q", "--no-project", "--python", python]
    subprocess.run([*command, str(tmp_path / "venv")], check=True)
    environment = Environment(tmp_path / "venv")
    environment.uv("install", wheels["expcore"], numpy)
    golden = json.loads((TESTS / "golden" / "digests.json").read_text())
    libraries = json.loads((TESTS / "golden" / "libraries.json").read_text())["digests"]
    golden |= {name: value for name, value in libraries.items() if name.startswith("numpy:")}

    for seed in SEEDS:
        found: dict[str, str] = {}
        for script in (["battery.py"], ["battery_libraries.py", "numpy"]):
            done = environment.run(TESTS / script[0], *script[1:], PYTHONHASHSEED=seed)
            assert done.returncode == 0, done.stderr
            found |= json.loads(done.stdout)
        assert found == golden
