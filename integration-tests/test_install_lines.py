"""Every line that tells a reader how to install a piece is run in a fresh environment."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from environments import ROOT, make_environment

PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("packages/*/README.md")]
# Of packages, not of a list of them (-r).
LINE = re.compile(r"(?:python3? -m )?pip install (?!-)[^`\n#]*")
IMPORTS = {"persist-to-disk": "persist_to_disk", "torch-saveload": "torch_saveload"}


def install_lines() -> list[str]:
    """All distinct install lines of the README files and the documentation."""
    return sorted({m[0].strip() for page in PAGES for m in LINE.finditer(page.read_text("utf-8"))})


def test_every_install_line_installs_from_the_checkout() -> None:
    """Some of the names belong to other people's packages on the public index."""
    for line in install_lines():
        packages = re.findall(r"\./packages/([\w-]+)", line)
        assert packages, f"{line!r} sends the reader away from the checkout"
        assert packages[0] == "expcore", f"{line!r} would look for expcore on the public index"


@pytest.mark.parametrize("line", install_lines())
def test_an_install_line_installs_what_its_page_says(line: str, tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env", with_pip=True)
    words = shlex.split(line)
    arguments = words[words.index("pip") :]
    constraint = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_NO_COMPILE": "1"}

    done = subprocess.run(
        [str(environment.python), "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **constraint},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for name in re.findall(r"\./packages/([\w-]+)", line):
        module = IMPORTS.get(name, name)
        imported = environment.run("-c", f"import {module}; print({module}.__version__)")
        assert imported.returncode == 0, imported.stderr
