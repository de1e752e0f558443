"""ckpt with the real objax, in an environment of its own: objax 1.8.0 needs numpy 1 and old jax.

It is the only one with jax, so that expcore's digests of its arrays are tested there too.

The environment is made once, by uv, in the checkout's ``.cache``, and holds this checkout's
expcore and ckpt. What runs there are the files of ``test_ckpt_objax_inside``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environments import ROOT, Environment, make_environment
from filelock import FileLock

INSIDE = Path(__file__).parent / "test_ckpt_objax_inside"
OURS = [ROOT / "packages" / name for name in ("expcore", "ckpt")]
# six is undeclared there.
NEEDED = ["objax==1.8.0", "jax==0.4.30", "jaxlib==0.4.30", "numpy<2", "six"]
ADAPTED = ["flax==0.8.5", "optax==0.2.3", "equinox==0.11.8"]
TESTING = ["hypothesis", "pytest"]
LAST = (3, 12)  # the last Python that jaxlib 0.4.30 has wheels for


def interpreter() -> str:
    """A Python that can run objax 1.8.0."""
    if sys.version_info[:2] <= LAST:
        return sys.executable
    beside = Path(sys.base_prefix).parent.glob("3.1[12].*/bin/python")
    found = [*map(str, beside), shutil.which("python3.12"), shutil.which("python3.11")]
    for python in filter(None, found):
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip("no Python 3.11 or 3.12 here, which jaxlib 0.4.30 needs")


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python of the environment with objax."""
    base = interpreter()
    declared = [(package / "pyproject.toml").read_text() for package in OURS]
    wanted = [*NEEDED, *ADAPTED, *TESTING]
    recipe = "\n".join([base, *wanted, *declared])
    home = ROOT / ".cache" / f"objax-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    home.parent.mkdir(exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if (home / "complete").exists():
            return Environment(home).python
        shutil.rmtree(home, ignore_errors=True)
        made = make_environment(home, python=base)
        made.uv("install", *wanted, *(part for p in OURS for part in ("-e", p)))
        (home / "complete").touch()
    return made.python


def run(python: Path, cwd: Path, root: Path, *files: Path | str) -> str:
    """Run the tests of a folder there, with no configuration but their own; the last line."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    config = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull]
    done = subprocess.run(
        [python, "-m", "pytest", *config, "--rootdir", root, "--confcutdir", root, *files],
        cwd=cwd,
        env=env | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_objaxs_modules_optimizers_and_files_go_both_ways(python, tmp_path) -> None:
    assert "passed" in run(python, tmp_path, INSIDE, INSIDE / "both_ways.py")


def test_states_of_flax_optax_and_equinox_come_back(python, tmp_path) -> None:
    assert "5 passed" in run(python, tmp_path, INSIDE, INSIDE / "pytrees.py")


def test_every_snippet_of_the_documentation_runs_as_documented(python, tmp_path) -> None:
    assert "7 passed" in run(python, tmp_path, INSIDE, INSIDE / "documented.py")


def test_ckpts_own_tests_pass_with_numpy_1(python, tmp_path) -> None:
    tests = ROOT / "packages/ckpt/tests"
    large = tests / "test_large.py"  # its gigabytes say nothing of numpy

    assert "passed" in run(python, tmp_path, tests, tests, f"--ignore={large}")


def test_digests_of_jax_arrays_follow_their_values(python, tmp_path) -> None:
    tests = ROOT / "packages/expcore/tests"

    assert "16 passed" in run(python, tmp_path, tests, tests / "test_canonical.py", "-k", "jax")
