"""Models past ``max_shard_size`` are a set of safetensors files with an index."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import CorruptError, FormatError, TorchSaveloadError, _events, save_load
from torch_saveload._cli import main
from torch_saveload._sizes import size_in_bytes


@save_load(version="1.0")
class Net(nn.Module):
    def __init__(self, width=8, fill=0.5):
        super().__init__()
        self.emb = nn.Embedding(width, 4)
        self.mid = nn.ModuleList(nn.Linear(4, 4).bfloat16() for _ in range(6))
        self.head = nn.Linear(4, width, bias=False)
        self.head.weight = self.emb.weight
        self.mid[0].bias.requires_grad_(False)
        nn.init.constant_(self.emb.weight, fill)


def equal(left, right):
    return all(torch.equal(t, right.state_dict()[n]) for n, t in left.state_dict().items())


def names():
    return sorted(path.name for path in Path().iterdir())


def test_a_model_past_the_limit_becomes_a_set_and_comes_back():
    model = Net()
    model.save("m.safetensors", max_shard_size=130)
    found = names()
    assert found[-1] == "m.safetensors.index.json"
    assert len(found) > 2
    assert all("-of-0000" in name for name in found[:-1])
    for path in ("m.safetensors", "m.safetensors.index.json"):
        loaded = Net.load(path)
        assert equal(model, loaded)
        assert loaded.head.weight is loaded.emb.weight
        assert not loaded.mid[0].bias.requires_grad
    other = Net(fill=0.1)
    assert other.load("m.safetensors").complete
    assert equal(other, model)


def test_a_model_within_the_limit_stays_one_file():
    Net().save("m.safetensors", max_shard_size="1 MB")
    assert names() == ["m.safetensors"]


def test_the_index_is_the_one_that_other_tools_read():
    safetensors = pytest.importorskip("safetensors")
    pytest.importorskip("numpy")
    model = Net()
    model.save("m.safetensors", max_shard_size=130)
    tree = json.loads(Path("m.safetensors.index.json").read_text())
    unique = {n: t for n, t in model.state_dict().items() if n != "head.weight"}
    assert tree["metadata"]["total_size"] == sum(t.nbytes for t in unique.values())
    assert tree["weight_map"].keys() == unique.keys()
    for name, file in tree["weight_map"].items():
        with safetensors.safe_open(file, "pt") as opened:
            assert torch.equal(opened.get_tensor(name), unique[name])


def test_a_set_of_another_tool_loads_into_a_model():
    model = Net()
    model.save("m.safetensors", max_shard_size=130)
    path = Path("m.safetensors.index.json")
    tree = json.loads(path.read_text())
    path.write_text(json.dumps({"weight_map": tree["weight_map"]}))
    other = Net(fill=0.1)
    other.load("m.safetensors")
    assert equal(other, model)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_in_the_place_of_a_file_is_refused_without_waiting():
    Net().save("m.safetensors", max_shard_size=130)
    tree = json.loads(Path("m.safetensors.index.json").read_text())
    file = Path(next(iter(tree["weight_map"].values())))
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(FormatError, match="a folder or a device"):
        Net.load("m.safetensors")


def test_saving_again_leaves_nothing_of_the_former_set():
    Net().save("m.safetensors", max_shard_size=130)
    Path("m-1.safetensors").write_bytes(b"not ours")
    model = Net(fill=0.25)
    model.save("m.safetensors", max_shard_size=200)
    listed = json.loads(Path("m.safetensors.index.json").read_text())["weight_map"].values()
    assert names() == sorted({*listed, "m.safetensors.index.json", "m-1.safetensors"})
    model.save("m.safetensors")
    assert names() == ["m-1.safetensors", "m.safetensors"]
    model.save("m.safetensors", max_shard_size=200)
    assert "m.safetensors" not in names()
    assert equal(Net.load("m.safetensors"), model)


def test_a_mapped_model_survives_saving_over_its_set():
    model = Net()
    model.save("m.safetensors", max_shard_size=130)
    loaded = Net.load("m.safetensors")
    Net(fill=0.1).save("m.safetensors", max_shard_size=130)
    assert equal(loaded, model)


@pytest.mark.parametrize("limit", [130, None])
def test_a_set_is_not_overwritten_unless_allowed(limit):
    model = Net()
    model.save("m.safetensors", max_shard_size=130)
    before = names()
    with pytest.raises(FileExistsError):
        Net(fill=0.1).save("m.safetensors", overwrite=False, max_shard_size=limit)
    assert names() == before
    assert equal(Net.load("m.safetensors"), model)


def test_a_write_that_fails_between_the_shards_leaves_the_old_set(monkeypatch):
    from torch_saveload import _shards

    model = Net()
    model.save("m.safetensors", max_shard_size=130)
    before, write_part, written = names(), _shards.write_part, []

    def full(*args):
        if len(written) == 1:
            raise OSError(28, "No space left on device")
        written.append(1)
        return write_part(*args)

    monkeypatch.setattr(_shards, "write_part", full)
    with pytest.raises(OSError, match="No space left"):
        Net(fill=0.1).save("m.safetensors", max_shard_size=130)
    assert equal(Net.load("m.safetensors"), model)
    assert names() == before


KILLED = """
import os, sys
from torch import nn
from torch_saveload import _shards, save_load

@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(6))

write_part, written = _shards.write_part, []

def slow(*args):
    if len(written) == 2:
        print("two are there", flush=True)
        sys.stdin.read()
    written.append(1)
    return write_part(*args)

_shards.write_part = slow
Net().save("m.safetensors", max_shard_size=100)
"""


def test_the_shards_of_a_killed_save_are_swept_and_those_of_a_live_one_are_not():
    model = Net()
    model.save("m.safetensors", max_shard_size=130)
    before = names()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for writer in writers:
        writer.stdout.readline()
    live, killed = writers
    killed.kill()
    killed.communicate()
    assert len(list(Path().glob("m-*"))) == len(before) - 1 + 2 + 2

    model.save("m.safetensors", max_shard_size=130)
    assert equal(Net.load("m.safetensors"), model)
    live.communicate(b"")
    assert live.returncode == 0
    listed = json.loads(Path("m.safetensors.index.json").read_text())["weight_map"]
    assert names() == sorted({*listed.values(), "m.safetensors.index.json"})
    assert "layers.5.bias" in listed


def test_shards_beside_a_damaged_index_are_left_alone(monkeypatch):
    Net().save("m.safetensors", max_shard_size=130)
    Path("m.safetensors.index.json").write_text("{")
    before = names()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch_saveload._shards.write_part", full)
    with pytest.raises(OSError, match="No space left"):
        Net().save("m.safetensors", max_shard_size=130)
    assert names() == before


def test_a_set_that_is_replaced_while_it_is_read_is_read_as_the_new_one(monkeypatch):
    from torch_saveload import _file

    Net().save("m.safetensors", max_shard_size=130)
    new, read_set = Net(fill=0.25), _file.read_set

    def late(*args):
        monkeypatch.setattr(_file, "read_set", read_set)
        new.save("m.safetensors", max_shard_size=130)
        return read_set(*args)

    monkeypatch.setattr(_file, "read_set", late)
    assert equal(Net.load("m.safetensors"), new)


@pytest.mark.parametrize(("before", "after"), [(130, None), (None, 130)])
def test_a_file_may_take_the_place_of_a_set_while_it_is_read(before, after, monkeypatch):
    from torch_saveload import _file

    Net().save("m.safetensors", max_shard_size=before)
    new, open_ordinary = Net(fill=0.25), _file.open_ordinary

    def late(path):
        monkeypatch.setattr(_file, "open_ordinary", open_ordinary)
        new.save("m.safetensors", max_shard_size=after)
        return open_ordinary(path)

    monkeypatch.setattr(_file, "open_ordinary", late)
    assert equal(Net.load("m.safetensors"), new)


def test_rot_in_any_file_is_named_and_a_missing_file_said():
    Net().save("m.safetensors", max_shard_size=130)
    shard = next(Path().glob("m-00002-*"))
    data = shard.read_bytes()
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptError, match=r"m\.safetensors\.index\.json.*mid"):
        Net.load("m.safetensors")
    shard.write_bytes(data[:-1])
    with pytest.raises(FormatError, match="cut off"):
        Net.load("m.safetensors")
    shard.unlink()
    with pytest.raises(FileNotFoundError, match="m-00002"):
        Net.load("m.safetensors")


@pytest.mark.parametrize(
    "tree",
    [
        3,
        {"weight_map": 3},
        {"weight_map": {"w": "../m.safetensors"}},
        {"weight_map": {"w": "/etc/passwd"}},
        {"weight_map": {"w": "m.bin"}},
        {"weight_map": {}, "metadata": {"torch_saveload": "{}"}},
        {"weight_map": {}, "metadata": 3},
    ],
)
def test_a_lying_index_is_a_typed_error(tree):
    Path("m.safetensors.index.json").write_text(json.dumps(tree))
    with pytest.raises(TorchSaveloadError):
        Net().load("m.safetensors")


def test_a_set_goes_to_a_storage_and_comes_back(tmp_path):
    url = f"file://{(tmp_path / 'store').as_posix()}/models/net.safetensors"
    model = Net()
    model.save(url, max_shard_size=130)
    assert equal(Net.load(url), model)
    with pytest.raises(FileExistsError):
        model.save(url, overwrite=False)
    other = Net(fill=0.1)
    other.save(url)
    assert equal(Net.load(url), other)
    assert [path.name for path in (tmp_path / "store/models").iterdir()] == ["net.safetensors"]
    model.save(url, max_shard_size=130)
    assert equal(Net.load(url), model)


def test_each_file_of_a_set_is_announced():
    seen = []
    disconnect = _events.saved.connect(seen.append)
    try:
        Net().save("m.safetensors", max_shard_size=130)
    finally:
        disconnect()
    assert sorted(path.name for path in seen) == names()


def test_the_shell_shows_and_verifies_a_set(capsys):
    Net().save("m.safetensors", max_shard_size=130)
    assert main(["show", "m.safetensors"]) == 0
    assert main(["verify", "m.safetensors.index.json"]) == 0
    out = capsys.readouterr().out
    assert "Net version 1.0" in out
    assert "tensors are what was saved" in out


@pytest.mark.parametrize("size", ["", "5 XB", "0", 0, -1, True, 1.5])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ValueError, match="is no size like"):
        Net().save("m.safetensors", max_shard_size=size)
    assert size_in_bytes("2GiB") == 2 << 30


def test_other_endings_stay_one_file():
    with pytest.raises(ValueError, match=r"max_shard_size is for \.safetensors"):
        Net().save("m.pth", max_shard_size=130)


def test_the_name_of_an_index_is_no_name_for_a_model():
    Net().save("m.safetensors", max_shard_size=100)
    before = names()
    with pytest.raises(ValueError, match=r"would be the index of a set: leave out \.index\.json"):
        Net().save("m.safetensors.index.json")
    assert names() == before


def test_old_shards_of_a_killed_upload_are_swept_at_the_next_save(tmp_path):
    """Never those of an index, nor those of a writer that may be alive, nor anybody else's."""
    folder = tmp_path / "store"
    url = f"file://{folder.as_posix()}/m.safetensors"
    Net().save(url, max_shard_size=130)
    model = Net(fill=0.1)
    model.save(url, max_shard_size=130)
    kept = {path.name for path in folder.iterdir()}
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    for path in folder.iterdir():
        os.utime(path, (two_days_ago, two_days_ago))
    for name, is_old, stays in (
        ("m-00001-of-00002-aaaaaaaa.safetensors", True, False),
        ("m-00002-of-00002-aaaaaaaa.safetensors", True, False),
        ("m-00001-of-00002-bbbbbbbb.safetensors", True, True),
        ("m-00002-of-00002-bbbbbbbb.safetensors", False, True),
        ("m-00001-of-00002.safetensors", True, True),
        ("m-b-00001-of-00002-aaaaaaaa.safetensors", True, True),
    ):
        (folder / name).write_bytes(b"")
        if is_old:
            os.utime(folder / name, (two_days_ago, two_days_ago))
        if stays:
            kept.add(name)
    Net().save(url.replace("m.safe", "n.safe"))  # another name
    assert (folder / "m-00001-of-00002-aaaaaaaa.safetensors").exists()
    assert equal(Net.load(url), model)
    model.save(url, max_shard_size=130)
    left = {path.name for path in folder.iterdir() if "aaaa" in path.name or "bbbb" in path.name}
    assert left == {name for name in kept if "aaaa" in name or "bbbb" in name}
    assert equal(Net.load(url), model)
