"""``reproducible.json``: what else a run depended on, besides its arguments.

One object: ``time``, ``argv``, ``cwd``, ``host``, ``user``, ``python``, ``platform``, ``cpu``,
``gpu``, ``git`` (:mod:`savethat._git`), ``packages`` (distribution → version, of this very
interpreter), ``environment`` (the variables of :data:`VARIABLES` that are set), ``node``, the
digests of the ``inputs`` that were read through the storage, and the run that it ``reproduces``.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from savethat._git import git_facts
from savethat._layout import REPRODUCIBLE

HEADERS = ("Name", "Version")
VARIABLES = (
    "CONDA_DEFAULT_ENV",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_PARTITION",
    "VIRTUAL_ENV",
    "XLA_FLAGS",
)


def reproducible_facts(project_dir: Path) -> dict[str, Any]:
    """Everything known about the circumstances of a run."""
    return {
        "format": 1,
        "time": datetime.now(UTC).isoformat(),
        "argv": sys.argv,
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "user": _user(),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
        },
        "platform": platform.platform(),
        "cpu": cpu_facts(),
        "gpu": gpu_facts(),
        "project_dir": str(project_dir),
        "git": git_facts(project_dir),
        "packages": installed_packages(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def write_reproducible(folder: Path, facts: dict[str, Any]) -> None:
    """Write ``reproducible.json`` into a run's folder."""
    from expcore import write_file

    text = json.dumps(facts, indent=2, default=str) + "\n"
    write_file(folder / REPRODUCIBLE, text.encode("utf-8", "backslashreplace"))


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return None


@cache
def installed_packages() -> dict[str, str]:
    """Version of each distribution that this interpreter can import."""
    from importlib.metadata import distributions

    found: dict[str, str] = {}
    for distribution in distributions():
        # .name and .version parse all of the metadata, each time, with the README that is in it.
        head = (distribution.read_text("METADATA") or "").partition("\n\n")[0]
        name, version = (re.search(rf"^{key}: *(.+)$", head, re.MULTILINE) for key in HEADERS)
        if name and version:  # a broken installation leaves nameless remains
            # The first on sys.path is the one that is imported.
            found.setdefault(name[1].strip(), version[1].strip())
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


@cache
def cpu_facts() -> dict[str, Any]:
    """The processor's name, and how many of its cores there are."""
    name = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", info.read_text("utf-8"), re.MULTILINE)
        name = match[1] if match else name
    return {"name": name, "machine": platform.machine(), "cores": os.cpu_count()}


@cache
def gpu_facts() -> list[str]:
    """NVIDIA GPUs by name, memory and driver; empty where there are none."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(  # noqa: S603 # no shell, fixed words
            [command, *query], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
