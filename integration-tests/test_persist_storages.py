"""Cached results that machines share on B2 and on a real S3 protocol."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
def b2(b2_elsewhere: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    """A URL on a B2 service on the loopback interface, and how to reach it."""
    bucket, reach = b2_elsewhere
    return f"{bucket}/cache", reach


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
