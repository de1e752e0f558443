"""Files that lie: nothing runs, nothing is half loaded, every refusal is one of ours."""

import contextlib
import json
import pickle
import random
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import FormatError, TorchSaveloadError, save_load
from torch_saveload._cli import main
from torch_saveload._inspect import verify

INDEX = "archive/torch_saveload.json"


@save_load(version="1.0")
class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.fc = nn.Linear(width, 40)
        self.register_buffer("zeros", torch.zeros(20_000))


@pytest.fixture
def saved():
    model = Net()
    model.save("net.pth")
    model.save("small.pth", compress=True)
    return model


def rewrite(source, target, change):
    """Write the members of a zip again, in place and with right CRCs, after ``change``."""
    data = Path(source).read_bytes()
    with zipfile.ZipFile(source) as members:
        old = members.read(INDEX)
        index = json.loads(old)
        change(index)
        new = json.dumps(index, separators=(",", ":")).encode()
    at = data.rindex(old)
    head = data[:at]
    # The index is the last member, so the rest is its place in the directory.
    with zipfile.ZipFile(source) as members:
        names = [info.filename for info in members.infolist()]
        contents = {name: members.read(name) for name in names if name != INDEX}
    assert names[-1] == INDEX
    from torch_saveload._zip import ZipWriter

    with Path(target).open("wb") as file:
        writer = ZipWriter(file)
        for name, content in contents.items():
            writer.add(name.removeprefix("archive/"), content)
        writer.add(INDEX.removeprefix("archive/"), new)
        writer.close()
    assert Path(target).read_bytes()[: len(head) - 200] == head[:-200]


LIES = {
    "no_format": lambda i: i.pop("format"),
    "format_is_a_boolean": lambda i: i.update(format=True),
    "no_tensors": lambda i: i.pop("tensors"),
    "tensors_are_a_list": lambda i: i.update(tensors=[]),
    "unknown_dtype": lambda i: i["tensors"]["fc.weight"].update(dtype="object"),
    "negative_shape": lambda i: i["tensors"]["fc.weight"].update(shape=[-3, -40]),
    "huge_shape": lambda i: i["tensors"]["fc.weight"].update(shape=[2**61, 2**61]),
    "hugely_empty_shape": lambda i: i["tensors"]["fc.weight"].update(shape=[0, 2**61, 2**61]),
    "boolean_shape": lambda i: i["tensors"]["fc.weight"].update(shape=[True, 120]),
    "size_does_not_fit_shape": lambda i: i["tensors"]["fc.weight"].update(shape=[40, 4]),
    "past_the_end": lambda i: i["tensors"]["fc.weight"]["at"].__setitem__(0, 10**9),
    "overlap": lambda i: i["tensors"]["fc.weight"]["at"].__setitem__(
        0, i["tensors"]["zeros"]["at"][0] + 64
    ),
    "stride_with_gaps": lambda i: i["tensors"]["fc.weight"].update(stride=[1000, 1]),
    "digest_is_a_number": lambda i: i["tensors"]["fc.weight"].update(digest=3),
    "tie_of_strangers": lambda i: i.update(ties=[["fc.weight", "fc.bias"]]),
    "tie_of_nobody": lambda i: i.update(ties=[["fc.weight", "gone"]]),
    "class_is_a_list": lambda i: i.update({"class": ["Net"]}),
    "config_is_a_string": lambda i: i.update(config="width"),
    "config_names_code": lambda i: i["config"].update(
        width={"$": "function", "name": "os.system"}
    ),
    "config_names_a_module": lambda i: i["config"].update(
        width={"$": "module", "type": "subprocess.Popen", "config": {}}
    ),
    "version_is_a_number": lambda i: i.update(version=1),
    "version_is_no_version": lambda i: i.update(version="latest"),
    "metadata_is_flat": lambda i: i.update(metadata={"fc": 1}),
    "values_is_a_list": lambda i: i.update(values=[]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_index_is_a_typed_error(saved, lie):
    rewrite("net.pth", "lie.pth", LIES[lie])
    with pytest.raises(TorchSaveloadError):
        Net.load("lie.pth", verify=False)
    model = Net()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if not lie.startswith("config_names"):  # into an instance, no arguments are needed
        with pytest.raises(TorchSaveloadError):
            model.load("lie.pth", verify=False)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize(
    "width", [{"$": "tuple", "items": 5}, {"$": "module", "config": 5}, [[[0] * 3] * 3] * 3, 900]
)
def test_the_shell_looks_at_any_arguments(saved, width, capsys):
    width = nested(width) if isinstance(width, int) else width
    rewrite("net.pth", "lie.pth", lambda i: i["config"].update(width=width))
    assert main(["show", "lie.pth"]) == 0
    main(["diff", "net.pth", "lie.pth"])
    assert main(["verify", "lie.pth"]) == 1
    assert "width" in capsys.readouterr().out


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


LIES["values_nest_deep"] = lambda i: i.update(values={"x": nested(700)})
LIES["values_speak_of_no_tensor"] = lambda i: i.update(values={"x": {"$": "stored", "name": "y"}})
LIES["values_speak_of_a_weight"] = lambda i: i.update(
    values={"x": {"$": "stored", "name": "fc.weight"}}
)

LIES["unsaved_is_a_list"] = lambda i: i.update(unsaved=[])
LIES["unsaved_names_no_dtype"] = lambda i: i.update(unsaved={"x": "object"})
for number, width in enumerate(
    [2**40, -5, "wide", {"$": "tensor", "dtype": "float32", "shape": [10**9], "base64": ""}]
):
    LIES[f"config_names_{number}_that_init_cannot_take"] = lambda i, width=width: i[
        "config"
    ].update(width=width)

BLOCK_LIES = {
    "shuffle": lambda b: b.update(shuffle=3),
    "zero_raw": lambda b: b.update(raw=0),
    "small_raw": lambda b: b.update(raw=4),
    "large_raw": lambda b: b.update(raw=2**40),
    "sizes": lambda b: b.update(sizes=[1] * len(b["sizes"])),
    "no_sizes": lambda b: b.update(sizes=[]),
    "null": lambda b: b.update(raw=None),
}


@pytest.mark.parametrize("lie", BLOCK_LIES)
@pytest.mark.parametrize("verify", [True, False])
def test_lying_blocks_are_a_typed_error_or_harmless(saved, lie, verify):
    rewrite("small.pth", "lie.pth", lambda i: BLOCK_LIES[lie](i["tensors"]["zeros"]["blocks"]))
    try:
        loaded = Net.load("lie.pth", verify=verify)
    except TorchSaveloadError:
        return
    assert torch.equal(loaded.zeros, saved.zeros)


def test_a_bomb_of_zeros_is_refused_by_its_shape_before_it_is_unpacked(saved):
    def claim(index):
        index["tensors"]["zeros"].update(shape=[10**12])

    rewrite("small.pth", "bomb.pth", claim)
    with pytest.raises(TorchSaveloadError, match=r"zeros: float32 \[1000000000000\] in the file"):
        Net.load("bomb.pth")


def test_a_bomb_of_one_block_is_refused(saved):
    def claim(index):
        entry = index["tensors"]["zeros"]
        entry.update(shape=[10**12])
        entry["blocks"].update(raw=2**42)

    rewrite("small.pth", "bomb.pth", claim)
    for use in (Net.load, lambda path: list(verify(path))):
        with pytest.raises(FormatError, match=f"zeros has blocks of {2**42} bytes"):
            use("bomb.pth")


def test_verify_unpacks_a_block_at_a_time():
    """Its memory does not grow with what a file claims to hold."""

    @save_load()
    class Zeros(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("zeros", torch.zeros(5_000_000))

    Zeros().save("small.pth", compress=True)
    tracemalloc.start()
    try:
        assert list(verify("small.pth")) == ["small.pth: 1 tensors are what was saved"]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < Zeros().zeros.nbytes / 4


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def test_a_pickle_bomb_in_any_member_does_not_go_off(saved):
    bomb = pickle.dumps(Bomb())
    with zipfile.ZipFile("net.pth") as members:
        contents = {name: members.read(name) for name in members.namelist()}
    for target in contents:
        with zipfile.ZipFile("bomb.pth", "w") as members:
            for name, data in contents.items():
                members.writestr(name, bomb if name == target else data)
        for load in (Net.load, Net().load):
            with contextlib.suppress(TorchSaveloadError):
                load("bomb.pth")
        assert not Path("exploded").exists()


@pytest.mark.parametrize("field", ["model", "config", "version"])
def test_a_pickle_bomb_in_a_foreign_file_needs_trust(field):
    tree = {"model": Net().state_dict(), "config": pickle.dumps(((), {})), "version": "1.0"}
    torch.save({**tree, field: Bomb()}, "bomb.pth")
    with pytest.raises(TorchSaveloadError, match="trust=True"):
        Net.load("bomb.pth")
    torch.save({**tree, "config": pickle.dumps(Bomb())}, "bomb.pth")
    with pytest.raises(TorchSaveloadError, match="trust=True"):
        Net.load("bomb.pth")
    assert not Path("exploded").exists()


def test_duplicate_names_are_refused(saved):
    with zipfile.ZipFile("net.pth", "a") as members, pytest.warns(UserWarning, match="Duplicate"):
        members.writestr(INDEX, b"{}")
    with pytest.raises(FormatError, match="twice"):
        Net.load("net.pth")


def test_a_deflated_index_is_refused(saved):
    with zipfile.ZipFile("bomb.pth", "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr(INDEX, b" " * 10_000_000)
    with pytest.raises(FormatError, match="is compressed"):
        Net.load("bomb.pth")


def test_a_bomb_in_a_foreign_file_is_refused_before_it_is_unpacked():
    torch.save(Net().state_dict(), "plain.pth")
    with (
        zipfile.ZipFile("plain.pth") as members,
        zipfile.ZipFile("bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in members.namelist():
            bomb.writestr(name, members.read(name))
    Net().load("plain.pth")
    with pytest.raises(FormatError, match="is compressed"):
        Net().load("bomb.pth")


@pytest.mark.parametrize("length", [0, 3, 100, 1000, -30, -1])
def test_a_cut_file_is_a_typed_error(saved, length):
    data = Path("net.pth").read_bytes()
    Path("cut.pth").write_bytes(data[:length])
    with pytest.raises(TorchSaveloadError):
        Net.load("cut.pth")


@pytest.mark.parametrize("name", ["net.pth", "small.pth"])
def test_every_flipped_bit_is_detected_or_harmless(saved, name):
    data = Path(name).read_bytes()
    rng = random.Random(0)
    expected = saved.state_dict()
    model = Net()
    for _ in range(500):
        bit = rng.randrange(8 * len(data))
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        Path("flipped.pth").write_bytes(flipped)
        try:
            model.load("flipped.pth")
        except TorchSaveloadError:
            continue
        for key, tensor in model.state_dict().items():
            assert torch.equal(tensor, expected[key]), f"bit {bit}"


@pytest.mark.parametrize("name", ["net.pth", "small.pth"])
def test_every_flipped_bit_past_the_tensors_is_detected_or_harmless(saved, name):
    """The zip's own parts are few bytes among many: they get flips of their own."""
    data = Path(name).read_bytes()
    start = data.index(b"data.pkl") - 30
    rng = random.Random(1)
    model = Net()
    for _ in range(500):
        bit = rng.randrange(8 * start, 8 * len(data))
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        Path("flipped.pth").write_bytes(flipped)
        try:
            model.load("flipped.pth")
        except TorchSaveloadError:
            continue
        for key, tensor in model.state_dict().items():
            assert torch.equal(tensor, saved.state_dict()[key]), f"bit {bit}"
