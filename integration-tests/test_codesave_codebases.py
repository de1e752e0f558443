"""Real codebases load whole, from their sources, beside installed versions of themselves.

Each module of them that imports from a plain folder imports through ``UniqueCodebase`` too, is the
codebase's own, and leaves the installed package as it was. The sources are those that the projects
publish; they and two environments are kept in the checkout's ``.cache``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from environments import ROOT, Environment, make_environment
from filelock import FileLock
from test_ckpt_objax import NEEDED as OBJAX
from test_ckpt_objax import interpreter

from codesave import checkpoint

OURS = [ROOT / "packages" / name for name in ("expcore", "codesave")]
COMMON = ["attrs", "flask", "joblib", "sympy", "numpy", "pytest", "hypothesis"]
SOURCES = {
    "attrs": ("attrs==25.3.0", ["attr", "attrs"]),
    "flask": ("flask==3.1.1", ["flask"]),
    "joblib": ("joblib==1.5.1", ["joblib"]),
    "sympy": ("sympy==1.14.0", ["sympy"]),
    "objax": ("objax==1.8.0", ["objax"]),
}

IMPORT_ALL = """if True:
    import importlib, json, sys, warnings
    warnings.simplefilter("ignore")
    mode, place, packages, names = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
    if mode == "plain":
        sys.path.insert(0, place)
        load = importlib.import_module
    else:
        from codesave import UniqueCodebase
        for package in packages:
            importlib.import_module(package)
        installed = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in packages}
        before = {n: list(vars(m)) for n, m in installed.items()}
        codebase = UniqueCodebase(place)
        load = codebase.import_module
    results = {}
    for name in names:
        try:
            module = load(name)
        except BaseException as error:
            results[name] = f"{type(error).__name__}: {error}"
            continue
        results[name] = "imported"
        file = getattr(module, "__file__", None)
        home = place if mode == "plain" else str(codebase.folder)
        assert file is None or file.startswith(home), (name, file)
    if mode == "unique":
        now = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in packages}
        assert now == installed, set(now) ^ set(installed)
        assert {n: list(vars(m)) for n, m in now.items()} == before
        assert not any(str(m.__file__).startswith(home) for m in now.values())
    print("\\n" + json.dumps(results))
"""


def environment(base: str, needed: list[str]) -> Environment:
    """An environment that is made once."""
    recipe = "\n".join([base, *needed, *((p / "pyproject.toml").read_text() for p in OURS)])
    home = ROOT / ".cache" / f"codebases-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    home.parent.mkdir(exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            made = make_environment(home, python=base, with_pip=True)
            made.uv("install", *needed, *(part for p in OURS for part in ("-e", p)))
            (home / "complete").touch()
    return Environment(home)


def source(requirement: str, into: Path, made: Environment) -> Path:
    """The folder of a project's published sources that its packages lie in."""
    kept = ROOT / ".cache" / "sdists"
    name = requirement.replace("==", "-")
    if not (found := list(kept.glob(f"{name}.tar.gz"))):
        only = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
        words = ["-m", "pip", "download", "-q", *only, "-d", str(kept), requirement]
        done = made.run(*words)
        found = list(kept.glob(f"{name}.tar.gz"))
        if not found:
            pytest.skip(f"the sources of {name} cannot be had: {done.stderr[-300:]}")
    with tarfile.open(found[0]) as archive:
        archive.extractall(into, filter="data")
    folder = into / name
    return folder / "src" if (folder / "src").is_dir() else folder


@pytest.mark.parametrize("project", SOURCES)
def test_a_real_codebase_loads_whole(project: str, tmp_path: Path) -> None:
    requirement, packages = SOURCES[project]
    if project == "objax":
        made = environment(interpreter(), [*OBJAX, "setuptools<81", "wheel"])
    else:
        made = environment(sys.executable, [*COMMON, "setuptools", "hatchling", "flit_core"])
    folder = source(requirement, tmp_path, made)
    modules = [
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        for package in packages
        for path in sorted((folder / package).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    zip_path = str(checkpoint(folder, tmp_path / "code.zip", verbose=False).path)
    cache = {"CODESAVE_CACHE": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu"}

    def imported(mode: str, place: str) -> set[str]:
        words = [mode, place, json.dumps(packages), json.dumps(modules)]
        done = made.run("-c", IMPORT_ALL, *words, cwd=tmp_path, **cache)
        assert done.returncode == 0, done.stderr[-3000:]
        results = json.loads(done.stdout.strip().splitlines()[-1])
        return {name for name, result in results.items() if result == "imported"}

    plain = imported("plain", str(folder))
    unique = imported("unique", zip_path)

    assert len(plain) > len(modules) * 0.9
    assert plain <= unique, sorted(plain - unique)
