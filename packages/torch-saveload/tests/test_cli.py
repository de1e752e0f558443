import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import save_load
from torch_saveload._cli import main


@save_load(version="1.2")
class Net(nn.Module):
    def __init__(self, width, *, act=nn.ReLU, sizes=(1, 2)):
        super().__init__()
        self.fc = nn.Linear(width, 2)
        self.tied = nn.Linear(width, 2, bias=False)
        self.tied.weight = self.fc.weight
        self.register_buffer("mean", torch.zeros(1000))
        self.fc.bias.requires_grad_(False)


def test_show_prints_what_the_file_holds(capsys):
    Net(3).save("net.pth", compress=True)
    assert main(["show", "net.pth"]) == 0
    out = capsys.readouterr().out
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0].startswith("Net version 1.2, saved by torch_saveload 0.1.0 with torch 2")
    assert lines[1:4] == ["  width = 3", "  act = <class nn.ReLU>", "  sizes = <tuple 1, 2>"]
    assert lines[4] == "mean         float32 [1000]  4.0 KB  buffer, compressed to 0%"
    assert "fc.bias      float32 [2]  8 B  frozen" in lines
    assert "one parameter: fc.weight, tied.weight" in lines
    assert lines[-1].startswith("4 tensors, 8 parameters, 4.0 KB in memory, ")


def test_diff_prints_what_differs(capsys):
    one, other = Net(3), Net(4, act=nn.GELU)
    other.fc.weight = nn.Parameter(torch.zeros(2, 4))
    other.fc.bias.data += 1
    one.save("one.pth")
    other.save("other.pth")
    assert main(["diff", "one.pth", "other.pth"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ties: (('fc.weight', 'tied.weight'),) -> ()",
        "argument act: <class nn.ReLU> -> <class nn.GELU>",
        "argument width: 3 -> 4",
        "tensor fc.weight: float32 [2, 3] -> float32 [2, 4]",
        "tensor fc.bias: other values",
        "tensor tied.weight: float32 [2, 3] -> float32 [2, 4]",
        "1 tensors are equal",
    ]
    main(["diff", "one.pth", "one.pth"])
    assert capsys.readouterr().out == "4 tensors are equal\n"


@pytest.mark.parametrize("compress", [False, True])
def test_verify_finds_rot_and_a_second_truth(compress, capsys):
    Net(3).save("net.pth", compress=compress)
    assert main(["verify", "net.pth"]) == 0
    data = bytearray(Path("net.pth").read_bytes())
    data[70] ^= 1
    Path("rotten.pth").write_bytes(data)
    assert main(["verify", "rotten.pth"]) == 1
    data[70] ^= 1
    # Another version for plain torch.load than for this package, with every CRC right.
    import zipfile

    from torch_saveload._zip import ZipWriter

    with zipfile.ZipFile("net.pth") as members, Path("two.pth").open("wb") as file:
        writer = ZipWriter(file)
        for name in members.namelist():
            content = members.read(name)
            if name.endswith("data.pkl"):
                content = content.replace(b"1.2", b"9.9")
            writer.add(name.removeprefix("archive/"), content)
        writer.close()
    assert main(["verify", "two.pth"]) == 1
    err = capsys.readouterr().err
    assert "not what was saved" in err
    assert "torch.load reads something else" in err


def test_verify_finds_bytes_that_torch_reads_elsewhere(capsys):
    import json
    import zipfile

    from torch_saveload._zip import ZipWriter

    model = Net(3)
    model.mean.fill_(1)
    model.save("net.pth")
    with zipfile.ZipFile("net.pth") as members, Path("two.pth").open("wb") as file:
        writer = ZipWriter(file)
        for name in members.namelist()[:-1]:
            content = members.read(name)
            if name == "archive/data/0":  # torch reads zeros, the index speaks of what follows
                zeros = bytes(len(content))
                place = writer.add("data/0", zeros) and writer.add("more", content)
            else:
                writer.add(name.removeprefix("archive/"), content)
        index = json.loads(members.read("archive/torch_saveload.json"))
        shift = place - min(entry["at"][0] for entry in index["tensors"].values())
        for entry in index["tensors"].values():
            entry["at"][0] += shift
        writer.add("torch_saveload.json", json.dumps(index).encode())
        writer.close()
    Net.load("two.pth")
    assert not torch.load("two.pth", weights_only=True)["model"]["mean"].any()
    assert main(["verify", "two.pth"]) == 1
    assert "torch.load reads something else" in capsys.readouterr().err


def test_another_tools_file_is_shown_and_not_called_verified(capsys):
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    Path("m.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert main(["show", "m.safetensors"]) == 0
    assert main(["verify", "m.safetensors"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "tensors only, saved by another tool"
    assert "no digests to compare with" in err


def test_names_with_control_characters_do_not_reach_the_terminal(capsys):
    model = Net(3)
    model.register_buffer("x\x1b[2J\n\ud800", torch.zeros(1))
    model.save("net.pth")
    assert main(["show", "net.pth"]) == 0
    assert r"x\x1b[2J\n\ud800" in capsys.readouterr().out


def test_a_refusal_is_one_line_and_status_1(capsys):
    assert main(["show", "none.pth"]) == 1
    Path("x.pth").write_text("x")
    assert main(["show", "x.pth"]) == 1
    torch.save({}, "foreign.pth")
    assert main(["show", "foreign.pth"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_the_commands_never_import_torch():
    Net(3).save("net.pth", compress=True)
    code = (
        "import sys; from torch_saveload._cli import main; "
        "main(['show', 'net.pth']); main(['verify', 'net.pth']); "
        "main(['diff', 'net.pth', 'net.pth']); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
