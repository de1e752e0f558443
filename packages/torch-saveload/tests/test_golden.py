"""Files of every format version that was ever released stay readable, for ever.

``python tests/test_golden.py`` writes those of the current format; never write over an old one.
"""

import enum
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import save_load
from torch_saveload._inspect import verify

GOLDEN = Path(__file__).parent / "golden"


class Mode(enum.Enum):
    FAST = 1


@save_load(version="1.5")
class Part(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.fc = nn.Linear(size, size)


@save_load(version="1.5")
class Golden(nn.Module):
    """One of everything the format can say."""

    def __init__(self, part, /, size: int = 2, *rest, mode: Mode = Mode.FAST, **named):
        super().__init__()
        self.part = part
        self.rest, self.mode, self.named = rest, mode, named
        self.emb = nn.Embedding(4, size)
        self.head = nn.Linear(size, 4, bias=False)
        self.head.weight = self.emb.weight
        self.norm = nn.BatchNorm1d(size).half()
        self.register_buffer(
            "image", torch.zeros(1, 2, 3, 4).to(memory_format=torch.channels_last)
        )
        self.register_buffer("eight", torch.zeros(5, dtype=torch.float8_e4m3fn))
        self.register_buffer("none", torch.zeros(0, 3))
        self.register_buffer("long", torch.zeros(5000))


def build():
    model = Golden(
        Part(3), 2, (1, {2}), b"x", nn.GELU, mode=Mode.FAST, dtype=torch.bfloat16, inf=float("inf")
    )
    with torch.no_grad():
        for number, tensor in enumerate(model.state_dict().values()):
            values = torch.arange(tensor.numel()).reshape(tensor.shape) % 7 + number
            tensor.copy_(values.to(tensor.dtype))
    model.part.fc.bias.requires_grad_(False)
    return model


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.pth")))
def test_a_golden_file_loads(name):
    loaded, expected = Golden.load(GOLDEN / name), build()
    state = loaded.state_dict()
    for key, tensor in expected.state_dict().items():
        assert torch.equal(state[key].float(), tensor.float()), key
        assert state[key].dtype == tensor.dtype
    assert loaded.rest == expected.rest
    assert loaded.mode is Mode.FAST
    assert loaded.named == expected.named
    assert loaded.head.weight is loaded.emb.weight
    assert [p.requires_grad for p in loaded.parameters()] == [
        p.requires_grad for p in expected.parameters()
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.pth")))
def test_what_torch_reads_of_a_golden_file_can_be_written_again(name):
    assert list(verify(GOLDEN / name))


def test_golden_files_are_there():
    assert {path.name for path in GOLDEN.glob("*.pth")} >= {
        "format-1.pth",
        "format-1-compressed.pth",
    }


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, compress in (("format-1.pth", False), ("format-1-compressed.pth", True)):
        if not (GOLDEN / name).exists():
            build().save(GOLDEN / name, compress=compress)
