"""The fast ways give the same as the plain ones."""

import errno
import gc
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import _direct, save_load


@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(100, 100) for _ in range(10))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_direct, "WORTH_IT_BYTES", 0)
    monkeypatch.setattr(_direct, "BLOCK_BYTES", 16 << 10)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_file_written_past_the_page_cache_has_the_same_bytes(name, small_blocks, monkeypatch):
    model = Net()
    model.save(name)
    direct = Path(name).read_bytes()
    monkeypatch.setattr(_direct, "WORTH_IT_BYTES", 1 << 60)
    model.save(name)
    assert Path(name).read_bytes() == direct


@pytest.mark.parametrize("at", ["open", "write"])
def test_without_direct_io_the_file_is_written_as_ever(at, small_blocks, monkeypatch):
    expected = Net()
    if at == "open":
        monkeypatch.setattr(_direct, "_open_direct", lambda _: -1)
    else:
        pwrite, seen = os.pwrite, []

        def refuse(descriptor, data, offset):
            if descriptor not in seen and len(seen) < 1:
                seen.append(descriptor)
            if descriptor in seen:
                raise OSError(errno.EINVAL, "Invalid argument")
            return pwrite(descriptor, data, offset)

        monkeypatch.setattr(os, "pwrite", refuse, raising=False)
    expected.save("net.pth")
    loaded = Net.load("net.pth")
    assert torch.equal(loaded.layers[9].weight, expected.layers[9].weight)


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="there is no direct I/O")
def test_a_full_disk_while_writing_directly_keeps_the_old_file(small_blocks, monkeypatch):
    Net().save("net.pth")
    before = Path("net.pth").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        Net().save("net.pth")
    assert Path("net.pth").read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["net.pth"]


def test_loading_leaves_the_garbage_collector_as_it_was():
    Net().save("net.pth")
    Net.load("net.pth")
    assert gc.isenabled()
    gc.disable()
    try:
        Net.load("net.pth")
        assert not gc.isenabled()
    finally:
        gc.enable()
