"""safetensors files, and storages behind URLs."""

import json
import random
import struct
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import (
    ConfigError,
    CorruptError,
    FormatError,
    TorchSaveloadError,
    UnsaveableError,
    save_load,
)


@save_load(version="1.0")
class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.emb = nn.Embedding(width, 4)
        self.head = nn.Linear(4, width, bias=False)
        self.head.weight = self.emb.weight
        self.norm = nn.BatchNorm1d(3).half()
        self.register_buffer("flags", torch.tensor([True, False, True]))
        self.norm.bias.requires_grad_(False)


def equal(left, right):
    return all(torch.equal(t, right.state_dict()[n]) for n, t in left.state_dict().items())


def test_safetensors_comes_back_with_arguments_ties_and_flags():
    model = Net(5)
    model.save("m.safetensors")
    loaded = Net.load("m.safetensors")
    assert equal(model, loaded)
    assert loaded.head.weight is loaded.emb.weight
    assert not loaded.norm.bias.requires_grad
    other = Net(5)
    other.load("m.safetensors")
    assert equal(model, other)


def test_the_safetensors_library_reads_it_and_its_files_load():
    pytest.importorskip("numpy")  # which that library needs to write
    safetensors = pytest.importorskip("safetensors.torch")
    model = Net(5)
    model.save("m.safetensors")
    read = safetensors.load_file("m.safetensors")
    assert set(read) == set(model.state_dict()) - {"head.weight"}
    for name, tensor in read.items():
        assert torch.equal(tensor, model.state_dict()[name])
    safetensors.save_model(model, "theirs.safetensors")
    other = Net(5)
    other.load("theirs.safetensors")
    assert equal(model, other)
    with pytest.raises(ConfigError, match="build the model and call load on it"):
        Net.load("theirs.safetensors")


def test_what_safetensors_cannot_say_is_refused():
    model = Net()
    model.register_buffer("wide", torch.zeros(2, dtype=torch.complex128))
    with pytest.raises(UnsaveableError, match=r"tensor wide is complex128.*use \.pth"):
        model.save("m.safetensors")
    model = Net()
    model.register_buffer("__metadata__", torch.zeros(2))
    with pytest.raises(UnsaveableError, match="tensor __metadata__ is what the format calls"):
        model.save("m.safetensors")
    with pytest.raises(ValueError, match="not compressed"):
        Net().save("m.safetensors", compress=True)
    assert list(Path().iterdir()) == []


def test_rot_in_safetensors_is_noticed_or_harmless():
    model, other = Net(), Net()
    model.save("m.safetensors")
    data = Path("m.safetensors").read_bytes()
    rng = random.Random(0)
    for _ in range(300):
        bit = rng.randrange(8 * len(data))
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        Path("flipped.safetensors").write_bytes(flipped)
        try:
            other.load("flipped.safetensors")
        except TorchSaveloadError:
            continue
        # The header has no checksum of its own in this format; tensors have.
        assert equal(model, other), f"bit {bit}"


@pytest.mark.parametrize(
    "header",
    [
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 10**12]}},
        {"w": {"dtype": "X", "shape": [2], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [2]}},
        {"w": 3},
        {"__metadata__": {"torch_saveload": "{}"}},
        {"__metadata__": {"torch_saveload": "[]"}},
        {"__metadata__": 3},
    ],
)
def test_a_lying_header_is_a_format_error(header):
    data = json.dumps(header).encode()
    Path("m.safetensors").write_bytes(struct.pack("<Q", len(data)) + data + bytes(8))
    with pytest.raises(FormatError):
        Net().load("m.safetensors")


def test_a_url_of_a_storage_is_a_place(tmp_path):
    url = f"file://{(tmp_path / 'store').as_posix()}/models/net.pth"
    model = Net(5)
    model.save(url)
    assert equal(Net.load(url), model)
    with pytest.raises(FileExistsError):
        Net(5).save(url, overwrite=False)
    assert equal(Net.load(url), model)
    other = Net(5)
    assert other.load(url, strict=True).complete
    assert equal(other, model)
    with pytest.raises(FileNotFoundError, match=r"there is no .*gone\.pth"):
        Net.load(url.replace("net.pth", "gone.pth"))


def test_rot_in_a_tensor_of_safetensors_is_named():
    Net().save("m.safetensors")
    data = bytearray(Path("m.safetensors").read_bytes())
    data[-1] ^= 1
    Path("m.safetensors").write_bytes(data)
    with pytest.raises(CorruptError, match=r"\(flags\)"):
        Net.load("m.safetensors")


def test_device_is_map_location_by_another_name():
    Net().save("net.pth")
    assert Net.load("net.pth", device="cpu", map_location="cpu").emb.weight.device.type == "cpu"
    assert Net.load("net.pth", device="meta").emb.weight.is_meta
    with pytest.raises(ValueError, match="give one of them"):
        Net.load("net.pth", device="cpu", map_location="meta")
    model = Net()
    assert model.load("net.pth", device=torch.device("cpu")).complete
