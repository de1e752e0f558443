"""Virtual environments of their own for the tests that install things."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Environment:
    """A virtual environment made for a test; every call is a process of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        scripts = "Scripts" if os.name == "nt" else "bin"
        return self.folder / scripts / ("python.exe" if os.name == "nt" else "python")

    def uv(self, *words: str | Path) -> None:
        """``uv pip WORDS`` in this environment, with the repository's constraints."""
        verb, *rest = (str(word) for word in words)
        limits = ["-c", str(ROOT / "constraints.txt")] if verb == "install" else []
        command = [sys.executable, "-m", "uv", "pip", verb, "-q", "--python", str(self.python)]
        # Where torch comes as a wheel on disk, pip knows; uv is told.
        links = {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "")}
        done = subprocess.run(
            [*command, *limits, *rest],
            env={**os.environ, **links},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def run(
        self, *words: str | Path, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python; what it printed and its status."""
        inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.run(
            [str(self.python), *(str(word) for word in words)],
            cwd=cwd,
            env={**inherited, **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def make_environment(
    folder: Path, *, with_pip: bool = False, python: str | Path = sys.executable
) -> Environment:
    """An empty virtual environment of a Python, by default the running one."""
    seed = ["--seed"] if with_pip else []
    command = [sys.executable, "-m", "uv", "venv", "-q", "--no-project", *seed]
    subprocess.run([*command, "--python", str(python), str(folder)], check=True)
    return Environment(folder)
