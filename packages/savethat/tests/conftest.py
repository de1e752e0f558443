"""A home, a project and a storage of each test's own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

import expcore
import savethat
from savethat import _background, _plugins, _project_dir, _run_sync, _secret
from savethat._config import Config

MAIN = """
from pathlib import Path

import savethat

if __name__ == "__main__":
    repro_dir = Path(__file__).parent.parent

    savethat.run_main(
        "my_project",
        env_file=repro_dir / "savethat.toml",
    )
"""
FIT_OLS = """
import dataclasses

import savethat


@dataclasses.dataclass(frozen=True)
class FitOLSArgs:
    my_args: str = "nothing"  # what to say


class FitOLS(savethat.Node[FitOLSArgs, str]):
    def _run(self) -> str:
        if self.args.my_args == "fail":
            raise ValueError("asked to fail")
        print("printed", self.args.my_args)
        return self.args.my_args
"""
TOML = 'local_path="${PROJECT_ROOT}/data_storage"\n'


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No home, credentials, plugins or project of whoever runs the tests."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("SAVETHAT_DISABLE_PLUGINS", "1")
    for name in list(os.environ):
        if name.startswith(("B2_", "SAVETHAT_CRED")):
            monkeypatch.delenv(name)
    _plugins._load.cache_clear()
    logger.remove()  # loguru's own handler keeps the stderr of the test that imported it
    yield
    _plugins._load.cache_clear()
    _project_dir._project_dirs.clear()
    _secret._texts.clear()


@pytest.fixture
def storage(tmp_path: Path) -> savethat.Storage:
    return savethat.Storage(tmp_path / "data_storage")


class Project:
    """A project on disk, run as users run it: by ``python -m``."""

    def __init__(self, folder: Path, name: str = "my_project") -> None:
        self.folder, self.name = folder, name

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip())
        return file

    def __call__(
        self, *words: str, stdin: str = "", status: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", self.name, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            input=stdin,
            env={**os.environ, **environment},
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def runs(self) -> list[Path]:
        folder = self.folder / "data_storage"
        return sorted(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def git() -> Callable[..., None]:
    """Run git in a folder; tests that cannot do without it are marked so."""

    def run(folder: Path, *words: str) -> None:
        identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project of the documentation."""
    made = Project(tmp_path / "repro")
    made.write("my_project/__init__.py", "")
    made.write("my_project/__main__.py", MAIN)
    made.write("my_project/fit_ols.py", FIT_OLS)
    made.write("savethat.toml", TOML)
    return made


@pytest.fixture
def importable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], Path]]:
    """Write a module below a folder that is on ``sys.path`` for the test."""
    folder = tmp_path / "importable"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def write(path: str, text: str) -> Path:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    yield write
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(folder)):
            del sys.modules[name]


@dataclass(frozen=True)
class NoArgs:
    pass


class Does(savethat.Node[NoArgs, Any]):
    """Does what it is told."""

    def _run(self) -> Any:
        return vars(self)["do"](self)


@pytest.fixture
def node_that(storage: savethat.Storage) -> Callable[..., savethat.Node[Any, Any]]:
    """Make a node that calls ``do(node)`` when it is run."""

    def make(
        do: Callable[[Any], object], *, on: savethat.Storage = storage, key: str | None = None
    ) -> savethat.Node[Any, Any]:
        node = savethat.create_node(Does, storage=on, key=key)
        vars(node)["do"] = do
        return node

    return make


@dataclass(frozen=True)
class WordArgs:
    word: str = "w"


class Word(savethat.Node[WordArgs, str]):
    def _run(self) -> str:
        if self.args.word == "fail":
            raise ValueError("asked to fail")
        return self.args.word


class WordBig(Word):
    pass


@pytest.fixture
def run_word() -> Callable[..., str]:
    """Run a node that returns its word, or fails at the word "fail"; gives its key."""

    def run(
        storage: savethat.Storage, word: str, key: str | None = None, *, big: bool = False
    ) -> str:
        node_cls = WordBig if big else Word
        node = savethat.create_node(node_cls, {"word": word}, storage=storage, key=key)
        with nullcontext() if word != "fail" else pytest.raises(ValueError, match="asked"):
            node.run()
        return node.key

    return run


@pytest.fixture
def synced(tmp_path: Path) -> savethat.Storage:
    """A storage with a remote, which is another folder."""
    remote = (tmp_path / "remote").as_uri()
    return savethat.Storage(Config(local_path=tmp_path / "local", remote=remote))


@pytest.fixture
def elsewhere(tmp_path: Path, synced: savethat.Storage) -> savethat.Storage:
    """The same remote, from another machine."""
    return savethat.Storage(Config(local_path=tmp_path / "other", remote=synced.config.remote))


class Watched(expcore.LocalStorage):
    """A remote that calls ``during(name)`` in the middle of each upload."""

    def __init__(self, folder: Path, during: Callable[[str], object]) -> None:
        super().__init__(folder)
        self.during, self.arrived = during, list[str]()

    def upload(self, path: Any, key: str, **more: Any) -> expcore.Stat:
        name = key.partition("/")[2]
        self.during(name)
        stat = super().upload(path, key, **more)
        self.arrived.append(name)
        return stat


@pytest.fixture
def watch(synced: savethat.Storage, tmp_path: Path) -> Callable[..., Watched]:
    """Make the remote one that calls ``during(name)`` in the middle of each upload."""

    def make(during: Callable[[str], object]) -> Watched:
        remote = synced.__dict__["remote"] = Watched(tmp_path / "remote", during)
        return remote

    return make


@pytest.fixture
def write() -> Callable[..., None]:
    """Write files of some age, each a little younger than the one before."""

    def write_them(folder: Path, *names: str, age_s: float = 1000) -> None:
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("{}")
            changed = time.time() - age_s + number
            os.utime(folder / name, (changed, changed))

    return write_them


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats, and uploads of what has changed, as often as can be."""
    monkeypatch.setattr(_background, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(_background, "TELL_S", 0)
    monkeypatch.setattr(_run_sync, "SETTLED_S", -1)
    monkeypatch.setattr(_run_sync, "AGAIN_S", -1)
