from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codesave import UniqueCodebase


@pytest.fixture(autouse=True)
def places_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a home, a cache and a working folder of its own."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("CODESAVE_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    # `python -m pytest` in this package's folder would make its src importable.
    own = str(Path(__file__).parents[1])
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != own])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"src", "models", "hostpkg", "train"}:
            del sys.modules[name]
    importlib.invalidate_caches()


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files, given by relative name; texts are dedented."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(contents, str):
            contents = textwrap.dedent(contents).encode()
        path.write_bytes(contents)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of files: ``tree({"src/model.py": "…"}, name="code")``."""

    def make(files: dict[str, str | bytes], name: str = "code") -> Path:
        return write(tmp_path / name, files)

    return make


@pytest.fixture
def zipped(tree: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of files and its zip; the zip's path is returned."""
    from codesave import checkpoint

    count = iter(range(1000))

    def make(files: dict[str, str | bytes], **options: object) -> Path:
        number = next(count)
        folder = tree(files, name=f"code{number}")
        options = {"verbose": False, **options}
        return checkpoint(folder, tmp_path / f"codebase{number}.zip", **options).path

    return make


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., str]:
    """Run Python in a fresh process; returns what it prints, fails where it fails."""

    def run(*args: str, code: str | None = None, **env: str) -> str:
        import os

        command = [sys.executable, *(() if code is None else ("-c", code)), *args]
        done = subprocess.run(
            command, env={**os.environ, **env}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


MODEL = """\
    import dataclasses
    import enum
    from src import utils
    from src.utils import VALUE as value

    class Net:
        weight = value
        def late(self):
            from src.lazy import name
            return name

    class Color(enum.Enum):
        RED = 1

    @dataclasses.dataclass
    class Config:
        size: "int" = 3
        parent: "Config | None" = None
"""


@pytest.fixture
def version() -> Callable[[int], dict[str, str]]:
    """The files of a small codebase in a version: ``version(1)``."""

    def files(number: int) -> dict[str, str]:
        return {
            "src/model.py": MODEL,
            "src/utils.py": f"VALUE = {number}\n",
            "src/lazy.py": f"name = 'lazy {number}'\n",
        }

    return files


@pytest.fixture
def one(zipped: Callable[..., Path], version: Callable[[int], dict[str, str]]) -> UniqueCodebase:
    """Version 1 of that codebase, open."""
    return UniqueCodebase(zipped(version(1)))


@pytest.fixture
def two(zipped: Callable[..., Path], version: Callable[[int], dict[str, str]]) -> UniqueCodebase:
    """Version 2, open."""
    return UniqueCodebase(zipped(version(2)))
