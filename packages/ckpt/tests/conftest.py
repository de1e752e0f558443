"""Nothing of these tests touches the home folder of whoever runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ckpt

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def home_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def golden() -> Path:
    return GOLDEN


@pytest.fixture
def net() -> ckpt.VarCollection:
    """Two variables of a small network."""
    return ckpt.VarCollection(
        {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.float32)}
    )


@pytest.fixture
def values():
    """A function giving copies of all values of a collection."""

    def copy(vc) -> dict[str, np.ndarray]:
        return {name: np.array(variable.value) for name, variable in vc.items()}

    return copy
