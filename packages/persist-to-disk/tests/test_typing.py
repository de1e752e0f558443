"""The decorator keeps the types of what it decorates."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_type_checkers_see_the_decorated_signature(tmp_path):
    api = pytest.importorskip("mypy.api", reason="needs mypy")
    file = Path(__file__).with_name("typing_persistf.py")

    arguments = ["--strict", "--warn-unused-ignores", f"--cache-dir={tmp_path}", str(file)]
    output, complaints, status = api.run(arguments)
    assert status == 0, output + complaints
