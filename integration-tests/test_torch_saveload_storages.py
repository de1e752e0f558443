"""Models go to B2 and S3 and come back, as one file and as a set."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from torch_saveload import CorruptError, SaveLoad, save_load

pytestmark = [
    # botocore, moto and aiohttp about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@save_load(version="1.0")
class Net(nn.Module, SaveLoad):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)


@pytest.fixture
def b2(b2_bucket: str) -> str:
    return f"{b2_bucket}/models"


@pytest.fixture
def s3(s3_bucket: str) -> str:
    return f"{s3_bucket}/models"


@pytest.fixture(params=["b2", "s3"])
def folder(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def equal(left: nn.Module, right: nn.Module) -> bool:
    there = right.state_dict()
    return all(torch.equal(tensor, there[name]) for name, tensor in left.state_dict().items())


@pytest.mark.parametrize(
    ("name", "limit"), [("net.pth", None), ("net.safetensors", None), ("net.safetensors", 300)]
)
def test_a_model_goes_to_a_bucket_and_comes_back(
    folder: str, name: str, limit: int | None
) -> None:
    url, model = f"{folder}/{name}", Net(8)
    model.save(url, max_shard_size=limit)

    assert equal(Net.load(url), model)
    with pytest.raises(FileExistsError):
        Net(8).save(url, overwrite=False)
    assert equal(Net.load(url), model)
    other = Net(8)
    other.save(url)
    assert equal(Net.load(url), other)
    with pytest.raises(FileNotFoundError, match="there is no"):
        Net.load(f"{folder}/gone-{name}")


def test_a_bucket_that_returns_other_bits_is_noticed(b2: str) -> None:
    from expcore import open_storage

    model = Net(8)
    model.save(f"{b2}/net.pth")
    storage = open_storage(b2)
    data = bytearray(storage.read("net.pth"))
    weight = bytes(model.second.weight.detach().flatten().view(torch.uint8).tolist())
    data[data.index(weight)] ^= 1
    storage.write("net.pth", data)

    with pytest.raises(CorruptError):
        Net.load(f"{b2}/net.pth")
