"""JSON that two readers could take for two things is refused, wherever a file has some."""

import json
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from expcore import digest_bytes
from torch_saveload import FormatError, TorchSaveloadError, save_load
from torch_saveload._zip import ZipWriter

INDEX = "archive/torch_saveload.json"


@save_load(version="1.0")
class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.fc = nn.Linear(width, 4)


def doubled(text, once, more):
    """Return JSON in which what begins with ``once`` has something before it."""
    assert once in text
    return text.replace(once, more + once, 1)


def assert_refused(path, match="stands there twice"):
    model = Net()
    before = model.fc.weight.clone()
    for load in (Net.load, model.load):
        with pytest.raises(FormatError, match=match):
            load(path)
    assert torch.equal(model.fc.weight, before)


TWICE = {
    "format": ('"format":', '"format":7,'),
    "an argument": ('"width":', '"width":"wide",'),
    "a tensor": ('"fc.bias":', '"fc.bias":{},'),
    "a fact": ('"dtype":', '"dtype":"int8",'),
}


@pytest.mark.parametrize("what", TWICE)
def test_an_index_that_says_something_twice_is_refused(what):
    Net().save("net.pth")
    with zipfile.ZipFile("net.pth") as members:
        contents = {name: members.read(name) for name in members.namelist()}
    contents[INDEX] = doubled(contents[INDEX].decode(), *TWICE[what]).encode()
    with Path("net.pth").open("wb") as file:
        writer = ZipWriter(file)
        for name, content in contents.items():
            writer.add(name.removeprefix("archive/"), content)
        writer.close()
    assert_refused("net.pth")


def split(data):
    (length,) = struct.unpack_from("<Q", data)
    return data[8 : 8 + length].decode(), data[8 + length :]


@pytest.mark.parametrize("what", ["a tensor", "a fact"])
def test_a_safetensors_header_that_says_something_twice_is_refused(what):
    Net().save("net.safetensors")
    path = Path("net.safetensors")
    header, body = split(path.read_bytes())
    header = doubled(header, *TWICE[what])
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + body)
    assert_refused("net.safetensors")


def test_safetensors_metadata_that_says_something_twice_is_refused():
    Net().save("net.safetensors")
    path = Path("net.safetensors")
    text, body = split(path.read_bytes())
    header = json.loads(text)
    told = doubled(header["__metadata__"]["torch_saveload"], *TWICE["an argument"])
    header["__metadata__"] |= {
        "torch_saveload": told,
        "torch_saveload.digest": digest_bytes(told.encode()),
    }
    text = json.dumps(header)
    path.write_bytes(struct.pack("<Q", len(text)) + text.encode() + body)
    assert_refused("net.safetensors")


def test_the_index_of_a_set_that_says_something_twice_is_refused():
    Net().save("net.safetensors", max_shard_size=20)
    path = Path("net.safetensors.index.json")
    path.write_text(doubled(path.read_text(), '"fc.bias":', '"fc.bias": "x.safetensors",'))
    assert_refused("net.safetensors")


@pytest.mark.parametrize("text", ["NaN", "[" * 100_000, "", "{", "[]", "1" * 10_000])
def test_what_is_no_json_is_a_typed_error(text):
    data = text.encode()
    Path("net.safetensors").write_bytes(struct.pack("<Q", len(data)) + data)
    with pytest.raises(TorchSaveloadError):
        Net.load("net.safetensors")
