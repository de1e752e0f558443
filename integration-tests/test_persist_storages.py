"""Cached results that machines share on B2 and on a real S3 protocol."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import sys, persist_to_disk as ptd

url, *numbers = sys.argv[1:]
ptd.config.set_persist_path(url)

@ptd.persistf(version="1")
def train(x):
    print("computed", x)
    return bytes([x]) * (2 << 20) if x == 3 else {"x": x}

for x in map(int, numbers):
    result = train(x)
    assert result == (bytes([x]) * (2 << 20) if x == 3 else {"x": x})
"""


@pytest.fixture
def s3(s3_elsewhere: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    """A URL on an S3 service on the loopback interface, and how to reach it."""
    bucket, reach = s3_elsewhere
    return f"{bucket}/cache", reach


@pytest.fixture
def b2() -> Iterator[tuple[str, dict[str, str]]]:
    """A URL on a B2 service on the loopback interface, and how to reach it."""
    pytest.importorskip("b2sdk")
    with load_server().B2Server() as server:
        reach = {
            "B2_APPLICATION_KEY_ID": server.key_id,
            "B2_APPLICATION_KEY": server.key,
            "B2_REALM": server.url,
        }
        yield "b2://bucket/cache", {**os.environ, **reach}


def load_server() -> Any:
    if "b2_server" not in sys.modules:
        path = Path(__file__).with_name("b2_server.py")
        spec = importlib.util.spec_from_file_location("b2_server", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["b2_server"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["b2_server"]


@pytest.mark.parametrize("service", ["s3", "b2"])
def test_what_one_machine_computed_another_has_from_the_storage(
    service: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url, environment = request.getfixturevalue(service)
    project = tmp_path / "project"
    project.mkdir()
    (project / "job.py").write_text(SCRIPT)

    def run(machine: str, *numbers: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "job.py", url, *map(str, numbers)],
            env={**environment, "PERSIST_TO_DISK_HOME": str(tmp_path / machine)},
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "PersistWarning" not in done.stderr
        assert "not uploaded" not in done.stderr
        return done.stdout.splitlines()

    assert run("here", 1, 2, 3) == ["computed 1", "computed 2", "computed 3"]
    assert run("there", 3, 2, 4) == ["computed 4"]
    assert run("here", 1, 2, 3, 4) == []
    assert run("there", 1, 2, 3, 4) == []
