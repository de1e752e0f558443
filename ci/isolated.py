"""Run each package's own tests with nothing of ours installed but its built wheel and expcore's.

Usage: hatch run isolated [--python 3.11 ...] [--packages NAME ...] [--resolution lowest-direct]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
TORCH_NEEDS = "torch-saveload"


def interpreter(version: str) -> str | None:
    """A Python of that version: this one, pyenv's, or what is on PATH."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    for found in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(found)
    found_on_path = shutil.which(f"python{version}")
    if not found_on_path:
        return None
    works = subprocess.run([found_on_path, "-c", ""], capture_output=True, check=False)
    return found_on_path if works.returncode == 0 else None


def build(package: str, dist: Path) -> Path:
    """Build the sdist and, from it, the wheel; the wheel's path."""
    out = dist / package
    source = ROOT / "packages" / package
    subprocess.run(["uv", "build", "-q", "--out-dir", out, source], check=True)
    (path,) = out.glob("*.whl")
    return path


def distribution(package: str) -> str:
    """The name that a package's pyproject.toml gives it."""
    text = (ROOT / "packages" / package / "pyproject.toml").read_text("utf-8")
    name: str = tomllib.loads(text)["project"]["name"]
    return name


def check(
    package: str, version: str, work: Path, wheels: dict[str, Path], resolution: str
) -> tuple[bool, str]:
    """Install the wheels and run the tests; whether they passed, and what was printed."""
    venv = work / f"{package}-{version}"
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    copy = venv / "tests"
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env.setdefault("UV_FIND_LINKS", os.environ.get("PIP_FIND_LINKS", ""))
    constraints = ["-c", str(ROOT / "constraints.txt")]
    install = ["uv", "pip", "install", "-q", "--python", str(python), *constraints]
    install += ["--resolution", resolution]
    needed = sorted({wheels["expcore"], wheels[package]})
    named = [f"{distribution(package)}[test] @ {wheels[package].as_uri()}", wheels["expcore"]]
    config = ["-c", ROOT / "pytest.toml", "--rootdir", copy, "-p", "no:cacheprovider"]
    steps: list[list[object]] = [
        ["uv", "venv", "-q", "--no-project", "--python", interpreter(version), venv],
        [*install, *needed],
        [python, ROOT / "ci" / "only.py", distribution(package)],
        [*install, *named],
        [python, "-m", "pytest", "-q", *config, copy],
    ]
    out = ""
    for step in steps:
        if step is steps[-1]:
            shutil.copytree(ROOT / "packages" / package / "tests", copy)
        command = [str(word) for word in step]
        done = subprocess.run(
            command, cwd=work, env=env, capture_output=True, text=True, check=False
        )
        out += done.stdout + done.stderr
        if done.returncode:
            return False, f"$ {' '.join(command)}\n{out}"
    return True, out


def runs_here(package: str, version: str) -> bool:
    """Whether the interpreter is there, and torch for it where it is needed."""
    if interpreter(version) is None:
        return False
    local = Path(os.environ.get("PIP_FIND_LINKS", ""))
    pinned = sorted(local.glob("torch-*.whl")) if local.is_dir() and str(local) != "." else []
    tag = f"-cp{version.replace('.', '')}-"
    return package != TORCH_NEEDS or not pinned or any(tag in path.name for path in pinned)


def main() -> int:
    """Check every package under every interpreter there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=["3.11", "3.12", "3.13"])
    parser.add_argument("--packages", nargs="*", default=PACKAGES, choices=PACKAGES)
    parser.add_argument(
        "--resolution", default="highest", choices=["highest", "lowest-direct"], help="of versions"
    )
    args = parser.parse_args()
    jobs = [(p, v) for v in args.python for p in args.packages if runs_here(p, v)]
    failed = 0
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as tmp, ThreadPoolExecutor(os.cpu_count()) as pool:
        work = Path(tmp)
        names = sorted({"expcore", *args.packages})
        built = pool.map(lambda name: build(name, work / "dist"), names)
        wheels = dict(zip(names, built, strict=True))
        results = pool.map(lambda job: check(job[0], job[1], work, wheels, args.resolution), jobs)
        for (package, version), (ok, out) in zip(jobs, results, strict=True):
            last = (out.strip().splitlines() or [""])[-1]
            print("ok  " if ok else "FAIL", version, package, last, flush=True)
            if not ok:
                failed += 1
                print(out)
    print(f"{len(jobs)} checks, {failed} failed, {time.perf_counter() - start:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
