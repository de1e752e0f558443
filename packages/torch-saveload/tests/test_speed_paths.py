"""The fast ways give the same as the plain ones."""

import contextlib
import errno
import gc
import mmap
import os
import threading
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from expcore import _stages, _stream
from torch_saveload import save_load
from torch_saveload._inspect import verify


@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(100, 100) for _ in range(10))


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (_stages, _stream):
        monkeypatch.setattr(module, "STAGE_BYTES", 16 << 10)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_file_written_in_several_stages_has_the_same_bytes(name, request, monkeypatch):
    model = Net()
    model.save(name)
    whole = Path(name).read_bytes()
    request.getfixturevalue("small_blocks")
    monkeypatch.setattr("torch_saveload._write.LARGE_BYTES", 10_000)
    monkeypatch.setattr("torch_saveload._output.PIECE_BYTES", 7_000)
    model.save(name)
    assert Path(name).read_bytes() == whole


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "packed.pth", "set.safetensors"])
@pytest.mark.parametrize("large", [1000, 1 << 20])
def test_a_model_that_changes_while_it_is_saved_is_a_file_that_loads(name, large, monkeypatch):
    model = Net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()

    @contextlib.contextmanager
    def training(*_):
        def step(_):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter += 1

        yield step

    monkeypatch.setattr("torch_saveload._output.late_progress", training)
    monkeypatch.setattr("torch_saveload._output.PIECE_BYTES", 10_000)
    monkeypatch.setattr("torch_saveload._write.LARGE_BYTES", large)
    limit = 100_000 if name.startswith("set") else None
    model.save(name, compress=name == "packed.pth", max_shard_size=limit)
    loaded = Net.load(name)
    moments = {parameter.flatten()[0].item() for parameter in loaded.parameters()}
    assert 0 in moments
    assert len(moments) > 1
    if name.endswith(".pth"):
        assert torch.load(name, weights_only=True)["config"] == {}
        assert zipfile.ZipFile(name).testzip() is None
        assert list(verify(name)) == [f"{name}: 20 tensors are what was saved"]


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


@pytest.mark.parametrize("hindrance", ["no map", "no advice", "nothing"])
def test_a_file_that_cannot_be_mapped_or_fetched_is_read_as_ever(hindrance, monkeypatch):
    model = Net()
    model.save("net.pth")
    model.save("net.safetensors")

    class Map(mmap.mmap):
        def __new__(cls, *args, **kwargs):
            if hindrance == "no map":
                raise OSError(errno.ENODEV, "No such device")
            return super().__new__(cls, *args, **kwargs)

        def madvise(self, *args):
            if hindrance == "no advice":
                raise OSError(errno.EINVAL, "Invalid argument")
            return super().madvise(*args)

    monkeypatch.setattr(mmap, "mmap", Map)
    monkeypatch.setattr("torch_saveload._mapped.PIECE_BYTES", 10_000)
    monkeypatch.setattr("torch_saveload._file.PIECE_BYTES", 10_000)
    for name in ("net.pth", "net.safetensors"):
        loaded = Net.load(name)
        assert torch.equal(loaded.layers[9].weight, model.layers[9].weight)


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="there are no large pages")
def test_a_file_is_mapped_from_large_pages_where_there_are_any(monkeypatch):
    Net().save("net.pth")
    advice = []

    class Map(mmap.mmap):
        def madvise(self, option, *span):
            advice.append((option, *span))
            return super().madvise(option, *span)

    monkeypatch.setattr(mmap, "mmap", Map)
    Net.load("net.pth")
    assert advice[0] == (mmap.MADV_HUGEPAGE,)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="there is no such advice")
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_what_is_written_once_more_does_not_stay_in_the_page_cache(name, monkeypatch):
    """Small pages in it would have the file read into small pages."""
    forgotten, advise = [], os.posix_fadvise

    def noted(file, start, length, advice):
        assert advice == os.POSIX_FADV_DONTNEED
        forgotten.append((start, length))
        advise(file, start, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", noted)
    monkeypatch.setattr("torch_saveload._write.LARGE_BYTES", 10_000)
    Net().save(name)
    assert len(forgotten) == (10 if name == "net.pth" else 1)
    for start, length in forgotten:
        assert start % mmap.PAGESIZE == length % mmap.PAGESIZE == 0 < length


@pytest.mark.skipif(os.name == "nt", reason="no open file can be replaced")
@pytest.mark.parametrize("threads", [True, False])
def test_a_large_file_that_is_replaced_is_closed_by_a_thread(threads, monkeypatch):
    monkeypatch.setattr("torch_saveload._former.LARGE_BYTES", 0)
    begun, waited_for = [], []

    class Noted(threading.Thread):
        def start(self):
            begun.append(self)
            if not threads:
                raise RuntimeError("can't create new thread at interpreter shutdown")
            super().start()

        def join(self, timeout=None):
            waited_for.append(self)
            super().join(timeout)

    monkeypatch.setattr("torch_saveload._former.Thread", Noted)
    first, second = Net(), Net()
    first.save("net.pth")
    assert begun == []
    loaded = Net.load("net.pth")
    second.save("net.pth")
    assert len(begun) == 1
    Net().save("other.pth")  # which may need the space
    assert waited_for == (begun if threads else [])
    assert torch.equal(loaded.layers[0].weight, first.layers[0].weight)
    assert torch.equal(Net.load("net.pth").layers[0].weight, second.layers[0].weight)


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
