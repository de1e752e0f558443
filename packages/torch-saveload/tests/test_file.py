"""What lies on the disk, and who can read it."""

import json
import os
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import FormatError, UnsaveableError, save_load
from torch_saveload._file import ModelFile


@save_load(version="1.2")
class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.fc = nn.Linear(width, 4)
        self.norm = nn.BatchNorm1d(4)


class Holder(nn.Module):
    """Built by each test; saved without arguments."""

    def __init__(self):
        super().__init__()


def holder(**tensors):
    cls = save_load()(type("Holder", (Holder,), {}))
    model = cls()
    for name, tensor in tensors.items():
        if isinstance(tensor, nn.Parameter):
            setattr(model, name, tensor)
        else:
            model.register_buffer(name, tensor)
    return model


@pytest.mark.parametrize("mmap", [False, True])
def test_plain_torch_load_reads_it_as_a_dictionary(mmap):
    model = Net()
    model.fc.bias.requires_grad_(False)
    model.save("net.pth")
    tree = torch.load("net.pth", weights_only=True, mmap=mmap)

    assert set(tree) == {"model", "config", "version", "torch_saveload"}
    assert tree["config"] == {"width": 3}
    assert tree["version"] == "1.2"
    header = tree["torch_saveload"]
    assert header["format"] == 1
    assert header["class"] == "Net"
    assert header["torch"] == torch.__version__
    assert header["ties"] == []
    assert header["requires_grad"] == {
        "fc.weight": True,
        "fc.bias": False,
        "norm.weight": True,
        "norm.bias": True,
    }
    assert set(header["digests"]) == set(model.state_dict())
    fresh = Net()
    fresh.load_state_dict(tree["model"])
    for name, tensor in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor)
    assert tree["model"]._metadata == model.state_dict()._metadata


def test_equal_models_give_equal_bytes():
    model = Net()
    model.save("one.pth")
    model.save("two.pth")
    assert Path("one.pth").read_bytes() == Path("two.pth").read_bytes()


@pytest.mark.parametrize("compress", [False, True])
def test_every_member_is_stored_and_its_crc_right(compress):
    Net(500).save("net.pth", compress=compress)
    with zipfile.ZipFile("net.pth") as members:
        assert members.testzip() is None
        assert {info.compress_type for info in members.infolist()} == {zipfile.ZIP_STORED}


def test_tensor_data_is_aligned():
    Net().save("net.pth")
    records = ModelFile(Path("net.pth")).index.tensors.values()
    assert [record.offset % 64 for record in records] == [0] * 7


DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.bool,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.float4_e2m1fn_x2,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("compress", [False, True])
def test_every_dtype_comes_back_bit_for_bit(dtype, compress):
    raw = torch.randint(0, 2, (3, 1024 * dtype.itemsize), dtype=torch.uint8)
    model = holder(t=raw.view(dtype))
    model.save("t.pth", compress=compress)
    loaded = type(model).init_and_load("t.pth", strict=False)
    assert loaded.state_dict() == {}

    fresh = holder(t=torch.zeros(3, 1024, dtype=dtype))
    fresh.load("t.pth")
    assert torch.equal(fresh.t.view(torch.uint8), raw)
    if not compress:
        read = torch.load("t.pth", weights_only=True)["model"]["t"]
        assert read.dtype == dtype
        assert torch.equal(read.view(torch.uint8), raw)


def test_a_view_saves_its_own_bytes_only():
    big = torch.randn(1_000_000)
    model = holder(part=big[5:10], other=big[::100_000])
    model.save("t.pth")
    assert Path("t.pth").stat().st_size < 10_000
    fresh = holder(part=torch.zeros(5), other=torch.zeros(10))
    fresh.load("t.pth")
    assert torch.equal(fresh.part, model.part)
    assert torch.equal(fresh.other, model.other)


def test_odd_layouts_come_back_equal():
    given = {
        "last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "turned": torch.randn(3, 4).t(),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "spread": torch.randn(1, 3).expand(4, 3),
        "conj": torch.randn(3, dtype=torch.complex64).conj(),
    }
    model = holder(**given)
    model.save("t.pth")
    read = torch.load("t.pth", weights_only=True)["model"]
    for name, tensor in given.items():
        assert torch.equal(read[name], tensor), name
    assert read["last"].stride() == given["last"].stride()
    fresh = holder(**{name: torch.zeros(t.shape, dtype=t.dtype) for name, t in given.items()})
    fresh.load("t.pth")
    assert torch.equal(fresh.conj, given["conj"])


def test_shared_memory_is_written_once():
    weight = nn.Parameter(torch.randn(1000))
    model = holder(a=weight, b=weight, c=weight.detach())
    model.save("t.pth")
    index = ModelFile(Path("t.pth")).index
    assert len({record.offset for record in index.tensors.values()}) == 1
    assert index.ties == (("a", "b"),)
    assert Path("t.pth").stat().st_size < 8000


def test_compression_shrinks_weights_and_names_the_rest():
    model = holder(w=torch.randn(100_000).bfloat16(), zeros=torch.zeros(100_000), i=torch.zeros(1))
    model.save("plain.pth")
    model.save("small.pth", compress=True)
    assert Path("small.pth").stat().st_size < 0.25 * Path("plain.pth").stat().st_size
    tree = torch.load("small.pth", weights_only=True, mmap=True)
    assert set(tree["model"]) == {"i"}
    assert set(tree["compressed"]) == {"w", "zeros"}
    fresh = holder(w=torch.zeros(100_000).bfloat16(), zeros=torch.ones(100_000), i=torch.ones(1))
    fresh.load("small.pth")
    assert torch.equal(fresh.w, model.w)
    assert torch.equal(fresh.zeros, model.zeros)


def test_weights_shrink_to_the_promised_size():
    weights = torch.randn(1_000_000) * 0.02
    for tensor, ratio in ((weights, 0.86), (weights.bfloat16(), 0.70)):
        model = holder(w=tensor)
        model.save("small.pth", compress=True)
        assert Path("small.pth").stat().st_size <= ratio * tensor.nbytes


def test_wrappers_leave_no_prefix():
    @save_load()
    class Outer(nn.Module):
        def __init__(self, wrap):
            super().__init__()
            inner = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
            self.inner = nn.DataParallel(torch.compile(inner, backend="eager")) if wrap else inner

    wrapped = Outer(True)
    assert "inner.module._orig_mod.0.weight" in wrapped.state_dict()
    wrapped.save("wrapped.pth")
    read = torch.load("wrapped.pth", weights_only=True)["model"]
    bare = Outer(False)
    bare.load_state_dict(read)
    assert read._metadata == bare.state_dict()._metadata
    bare.inner[0].weight.data.fill_(3)
    bare.save("bare.pth")
    wrapped.load("bare.pth")
    assert wrapped.state_dict()["inner.module._orig_mod.0.weight"][0, 0] == 3


def test_a_compiled_model_saves_as_itself():
    model = Net()
    torch.compile(model, backend="eager").save("net.pth")
    assert torch.equal(Net.load("net.pth").fc.weight, model.fc.weight)


class Tagged(torch.Tensor): ...


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.nn.parameter.UninitializedParameter(), "tensor t is a lazy parameter.*run a batch"),
        (torch.ones(2).as_subclass(Tagged), "tensor t is a Tagged"),
        (torch.ones(2, device="meta"), "on the meta device"),
        (torch.eye(2).to_sparse(), r"layout torch\.sparse_coo"),
        (torch.zeros(2, dtype=torch.uint8).view(torch.uint4), "uint4; files hold no such dtype"),
    ],
)
def test_a_tensor_that_cannot_be_saved_is_named(tensor, message, scratch):
    with pytest.raises(UnsaveableError, match=message):
        holder(t=tensor).save("t.pth")
    assert list(scratch.iterdir()) == []


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_named(scratch):
    with pytest.raises(UnsaveableError, match="tensor t is nested; make it"):
        holder(t=torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])).save("t.pth")
    assert list(scratch.iterdir()) == []


def test_missing_folders_are_made_and_nothing_is_left_beside():
    Net().save("a/b/net.pth")
    assert [path.name for path in Path("a/b").iterdir()] == ["net.pth"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_or_a_folder_is_neither_replaced_nor_read():
    """So /dev/null stays what it is, for whoever may replace it."""
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("link").symlink_to("pipe")
    for place in ("pipe", "folder", "link"):
        with pytest.raises(FileExistsError, match=f"{place} is no ordinary file"):
            Net().save(place)
        with pytest.raises(FormatError, match="a folder or a device"):
            Net.load(place)
    assert Path("pipe").is_fifo()


def test_a_failed_save_keeps_the_old_file(monkeypatch):
    model = Net()
    model.save("net.pth")
    before = Path("net.pth").read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch_saveload._write.pickle_of", full_disk)
    with pytest.raises(OSError, match="No space left"):
        Net().save("net.pth")
    assert Path("net.pth").read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["net.pth"]


def test_a_hook_that_raises_stops_the_save(scratch):
    def hook(_):
        raise RuntimeError("not now")

    cls = save_load(pre_save_hook=hook)(type("Hooked", (Holder,), {}))
    with pytest.raises(RuntimeError, match="not now"):
        cls().save("t.pth")
    assert list(scratch.iterdir()) == []


def test_a_later_format_says_update():
    Net().save("net.pth")
    change_index("net.pth", format=2)
    with pytest.raises(FormatError, match="format 2, this torch_saveload reads format 1: update"):
        Net.load("net.pth")


def change_index(path, **changes):
    """Write the same zip with another index, its CRC right."""
    with zipfile.ZipFile(path) as members:
        contents = {info.filename: members.read(info) for info in members.infolist()}
    name = "archive/torch_saveload.json"
    contents[name] = json.dumps({**json.loads(contents[name]), **changes})
    with zipfile.ZipFile(path, "w") as members:
        for member, data in contents.items():
            members.writestr(member, data)
