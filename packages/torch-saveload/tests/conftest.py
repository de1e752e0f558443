import pytest
import torch


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Each test works in a folder of its own, away from the real home."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(work)
    torch.manual_seed(0)
    return work
