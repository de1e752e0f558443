"""Type checkers see the class unchanged, and the methods of the mixin on class and instance."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).with_name("typed_example.py")
EXPECTED = {
    number
    for number, line in enumerate(EXAMPLE.read_text().splitlines(), 1)
    if line.endswith("# expected error")
}


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--strict", "--cache-dir=.mypy_cache"],
        ["pyright", "--pythonpath", sys.executable],
    ],
    ids=lambda command: command[0],
)
def test_type_checkers_agree(command, scratch):
    module = command[0]
    pytest.importorskip(module)
    example = scratch / "example.py"
    example.write_text(EXAMPLE.read_text())
    done = subprocess.run(
        [sys.executable, "-m", *command, str(example)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        pytest.skip(f"{module} does not run here: {done.stderr}")
    errors = re.findall(r"example\.py:(\d+).*error", done.stdout)
    assert {int(line) for line in errors} == EXPECTED, done.stdout + done.stderr
