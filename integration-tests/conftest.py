"""What several of these tests need: the wheels of the six packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from environments import ROOT

FOLDERS = ["expcore", "codesave", "persist-to-disk", "savethat", "ckpt", "torch-saveload"]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The six wheels, built from the checkout, by folder name."""
    dist = tmp_path_factory.mktemp("dist")
    built = {}
    for name in FOLDERS:
        source, out = ROOT / "packages" / name, dist / name
        command = [sys.executable, "-m", "uv", "build", "-q", "--wheel", "--out-dir", out, source]
        subprocess.run(command, check=True)
        (built[name],) = out.glob("*.whl")
    return built
