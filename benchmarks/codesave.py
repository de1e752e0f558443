"""codesave beside what else saves and loads code, on the same files in the same minute.

    python benchmarks/codesave.py [--files 6000] [--megabytes 100] [--repeats 3]

Prints two tables and writes them to ``benchmarks/results/codesave.md``. Times are the best of the
repeats, each in a process of its own: seconds of wall clock, and of CPU with all children. Rows
whose program is missing say so.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

LEVEL = 5  # what codesave takes unless told otherwise
AGAIN = "codesave again, one file changed"
ENVIRONMENT = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
HERE = Path(__file__).resolve().parent

SAVE = "from codesave import checkpoint; checkpoint({folder!r}, {zip!r}, verbose=False, level={n})"
ZIPFILE = """
import os, zipfile
with zipfile.ZipFile({zip!r}, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
    for folder, folders, files in os.walk({folder!r}):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            archive.write(os.path.join(folder, name))
"""
CODE_SAVE = """
import sys, types
sys.modules["pkg_resources"] = types.SimpleNamespace(working_set=[])  # gone from setuptools
sys.path.insert(0, {reference!r})
from codesave import checkpoint
checkpoint({folder!r}, output_zipname={zip!r}, verbose=False)
"""
TORCH = """
import os
from torch.package import PackageExporter
with PackageExporter({zip!r}) as package:
    for folder, folders, files in os.walk({folder!r}):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            path = os.path.join(folder, name)
            module = os.path.relpath(path, {folder!r})[:-3].replace(os.sep, ".")
            with open(path, encoding="utf-8", errors="replace") as file:
                package.save_source_string(module, file.read(), dependencies=False)
"""
PLAIN = "import sys; sys.path.insert(0, {folder!r}); import {name}"
UNIQUE = "from codesave import UniqueCodebase; UniqueCodebase({zip!r}).import_module({name!r})"
ZIPPED = "import sys; sys.path.insert(0, {zip!r}); import {name}"


def measure(command: list[str], **env: str) -> tuple[float, float]:
    """Wall and CPU seconds of one process and its children."""
    script = (
        "import os, subprocess, sys, time; start = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "wall = time.perf_counter() - start; t = os.times();"
        "print(wall, t.children_user + t.children_system)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        env={**ENVIRONMENT, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def best(times: list[tuple[float, float]]) -> tuple[float, float]:
    """The best wall time and the best CPU time."""
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def row(name: str, times: list[tuple[float, float]] | None, base: tuple[float, float]) -> str:
    """One line of a table; ratios are to ``base``."""
    if times is None:
        return f"| {name} | not here | | | |"
    wall, cpu = best(times)
    ratios = f"{wall / base[0]:.2f} | {cpu / base[1]:.2f}"
    return f"| {name} | {wall:.2f} | {cpu:.2f} | {ratios} |"


def make_tree(folder: Path, files: int, megabytes: int) -> None:
    """A repository of Python files put together from the standard library's lines."""
    rng = random.Random(0)  # the same tree each time
    library = Path(sysconfig.get_paths()["stdlib"])
    sources = [path.read_bytes() for path in sorted(library.glob("*.py"))]
    each = megabytes * 1_000_000 // files
    for number in range(files):
        path = folder / f"pkg{number % 60}" / f"sub{number % 7}" / f"m{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"# {number}\n".encode()
        size = rng.randint(each // 2, each * 3 // 2)
        while len(text) < size:
            text += rng.choice(sources)
        path.write_bytes(text[:size])
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(folder)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)


def saving(folder: Path, work: Path, repeats: int, reference: str) -> list[str]:
    """The table of saving, and how large each zip is."""
    python, tree = [sys.executable, "-c"], str(folder)

    def code(text: str, zip_name: str, n: int = 6) -> list[str]:
        target = str(work / zip_name)
        return [*python, text.format(folder=tree, zip=target, n=n, reference=reference)]

    archive = ["git", "-C", tree, "archive", "--format=zip", "-o", str(work / "git.zip"), "HEAD"]
    packer = ["zip", "-q", "-r", str(work / "zip.zip"), tree, "-x", f"{tree}/.git/*"]
    commands: dict[str, list[str] | None] = {
        "zipfile, level 6": code(ZIPFILE, "zipfile.zip"),
        "git archive": archive,
        "zip -r": packer if shutil.which("zip") else None,
        "codesave_library 0.0.4": code(CODE_SAVE, "code_save.zip") if reference else None,
        "torch.package (stores, uncompressed)": (
            code(TORCH, "torch.zip") if find_spec("torch") else None
        ),
        "codesave": code(SAVE, "codesave.zip", LEVEL),
        "codesave, level 6": code(SAVE, "codesave6.zip", 6),
        "codesave, level 1": code(SAVE, "codesave1.zip", 1),
    }
    times: dict[str, list[tuple[float, float]]] = {}
    sizes: dict[str, int] = {}
    for _ in range(repeats):  # round by round, so that a busy minute meets all of them
        for name, command in commands.items():
            for path in work.glob("*.zip"):
                path.unlink()
            if command is not None:
                times.setdefault(name, []).append(measure(command))
                sizes[name] = sum(path.stat().st_size for path in work.glob("*.zip"))
    measure(commands["codesave"] or [])
    changed = folder / "pkg1/sub1/m1.py"
    again: list[tuple[float, float]] = []
    for _ in range(repeats):
        changed.write_bytes(changed.read_bytes() + b"# changed\n")
        again.append(measure(commands["codesave"] or []))
    times[AGAIN] = again
    base = best(times["zipfile, level 6"])
    rows = [row(name, times.get(name), base) for name in [*commands, AGAIN]]
    large = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sizes.items())
    return [*rows, "", f"Megabytes written: {large}."]


def loading(name: str, work: Path, repeats: int) -> list[str]:
    """The table of importing one installed package, from a folder and from zips of it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return [f"| {name} is not installed | | | | |"]
    folder, zip_path, cache = work / "plain", work / "package.zip", work / "cache"
    source = Path(spec.origin).parent
    shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c"]
    values = {"folder": str(folder), "zip": str(zip_path), "name": name, "n": 6}
    measure([*command, SAVE.format(**values)])
    env = {"CODESAVE_CACHE": str(cache)}
    plain, unique, zipped = ([*command, text.format(**values)] for text in (PLAIN, UNIQUE, ZIPPED))
    times: dict[str, list[tuple[float, float]]] = {}

    def add(label: str, argv: list[str]) -> None:
        times.setdefault(label, []).append(measure(argv, **env))

    for _ in range(repeats):
        for compiled in folder.rglob("__pycache__"):
            shutil.rmtree(compiled)
        shutil.rmtree(cache, ignore_errors=True)
        add("plain folder, cold", plain)
        add("UniqueCodebase, cold", unique)
        add("plain folder, warm", plain)
        add("UniqueCodebase, warm", unique)
        add("the zip on sys.path", zipped)
    cold, warm = best(times["plain folder, cold"]), best(times["plain folder, warm"])
    return [row(label, found, cold if "cold" in label else warm) for label, found in times.items()]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=6000)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--package", default="sympy", help="an installed package to import")
    parser.add_argument("--code-save", default="", help="where codesave_library 0.0.4 is unpacked")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work, folder = Path(scratch, "work"), Path(scratch, "tree")
        work.mkdir()
        make_tree(folder, options.files, options.megabytes)
        saved = saving(folder, work, options.repeats, options.code_save)
        loaded = loading(options.package, work, options.repeats)
    head = "| | wall, s | CPU, s | wall, ratio | CPU, ratio |\n|---|---|---|---|---|"
    lines = [
        "# codesave",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} cores; best of {options.repeats}.",
        "",
        f"Saving {options.files:,} files, {options.megabytes} MB; ratios to zipfile at level 6.",
        "",
        head,
        *saved,
        "",
        f"`import {options.package}`; ratios to the plain folder, cold to cold and warm to warm.",
        "",
        head,
        *loaded,
        "",
    ]
    text = "\n".join(lines)
    print(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results/codesave.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
