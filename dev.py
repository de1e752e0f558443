#!/usr/bin/env python3
"""Run a development command of this repository: ``python3 dev.py quickstart`` or ``… test``.

Needs nothing but Python 3.11+ with pip. Hatch goes into ``.tools/`` inside the checkout
(``pip install --target``, so neither the ``venv`` module nor a Python that is not "externally
managed" is needed), and Hatch then makes the environment that hatch.toml describes. With Hatch
already installed, ``hatch run <command>`` does the same.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

HATCH = "hatch>=1.18,<2"
ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools" / f"hatch-{sys.implementation.cache_tag}"


def install_hatch() -> None:
    """Install Hatch into TOOLS, whole or not at all."""
    TOOLS.parent.mkdir(exist_ok=True)
    fresh = mkdtemp(dir=TOOLS.parent)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    try:
        subprocess.run([*pip, "--no-compile", "--target", fresh, HATCH], check=True)
        os.replace(fresh, TOOLS)
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"pip could not install {HATCH} (status {error.returncode}); see its message above"
        )
    except OSError:
        if not TOOLS.is_dir():  # else another dev.py was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main() -> None:
    """Run Hatch with the arguments given."""
    if sys.version_info < (3, 11):  # noqa: UP036 - said before Hatch says something less clear
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if not TOOLS.is_dir():
        print("Installing Hatch into", TOOLS, flush=True)
        install_hatch()
    os.chdir(ROOT)
    os.environ.setdefault("HATCH_DATA_DIR", str(TOOLS.parent / "data"))
    sys.path.insert(0, str(TOOLS))
    args = sys.argv[1:] or ["test"]
    sys.argv = args if args[0] == "hatch" else ["hatch", "run", *args]
    runpy.run_module("hatch", run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
