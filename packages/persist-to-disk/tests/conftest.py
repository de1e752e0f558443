"""Each test has a home, a project and a working directory of its own."""

from __future__ import annotations

import importlib.util
import linecache
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import persist_to_disk as ptd
from persist_to_disk import _config


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The folder of config.ini; it does not exist yet."""
    project = tmp_path / "project"
    project.mkdir(mode=0o755)
    monkeypatch.chdir(project)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("PERSIST_TO_DISK_HOME", str(home))
    monkeypatch.delenv(_config.INHERITED, raising=False)
    monkeypatch.setattr(ptd.config, "_set", {})
    ptd.config.version += 1
    old_umask = os.umask(0o022)
    yield home
    os.umask(old_umask)
    ptd.config.version += 1
    os.environ.pop(_config.INHERITED, None)


@pytest.fixture
def project():
    """The working directory."""
    return Path.cwd()


@pytest.fixture
def cache(home):
    """Where results go by default."""
    return home / "cache"


@pytest.fixture
def load(project):
    """Write a module of the project and import it, again and again if need be."""
    count = 0

    def load(source, path="module.py"):
        nonlocal count
        count += 1
        linecache.clearcache()  # as in a new process
        file = project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("import persist_to_disk as ptd\n" + textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location(f"module_{count}", file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
        return module

    return load


@pytest.fixture
def python(project):
    """Run Python in the project, as a user would, and return what it prints."""

    def python(*arguments, **options):
        done = subprocess.run(
            [sys.executable, "-W", "error", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            **{"cwd": project, **options},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return python


@pytest.fixture
def tree(cache):
    """The bucket files below the cache, without the project's number and the bucket's."""

    def tree():
        return {
            path.parent.relative_to(cache).as_posix()
            for path in cache.rglob("*.pkl")
            if path.stem.isdecimal()
        }

    return tree
