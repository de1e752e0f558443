"""Turn a package's changes/ into a section of its CHANGELOG.md: ``changelog.py ckpt 0.2.0``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(package: str, version: str) -> int:
    """Run towncrier on one package with the repository's one configuration."""
    where = ["--config", str(ROOT / "pyproject.toml"), "--dir", str(ROOT / "packages" / package)]
    command = ["towncrier", "build", *where, "--name", package, "--version", version, "--yes"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
