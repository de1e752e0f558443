"""A system that writes less than it was given is asked again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from expcore import write_file
from expcore._stages import STAGE_BYTES


@pytest.mark.parametrize("limit", [1, 4096, 5000, 1 << 20])
@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="what is written is counted by another call")
def test_short_writes_are_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    size = 2000 if limit == 1 else 2 * STAGE_BYTES + 12_345
    data = os.urandom(size)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, view, at: real(fd, memoryview(view)[:limit], at))

    write_file(tmp_path / "a", data)
    write_file(tmp_path / "b", (data[i : i + 700_001] for i in range(0, size, 700_001)))

    assert (tmp_path / "a").read_bytes() == data
    assert (tmp_path / "b").read_bytes() == data
