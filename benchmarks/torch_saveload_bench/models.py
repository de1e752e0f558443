"""The models that are saved and loaded."""

from __future__ import annotations

import torch
from torch import nn

WIDTH = 2048
SMALL = 64


class Big(nn.Module):
    """A few large matrices."""

    width = WIDTH

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(layers))

    @classmethod
    def input(cls) -> torch.Tensor:  # noqa: D102
        return torch.ones(1, cls.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        for layer in self.layers:
            x = layer(x)
        return x


class Normal(Big):
    """The same, initialised as GPT-2, BERT and ViT are: over all that the layers did."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)


class Tables(Big):
    """Embedding tables with a small head, as recommenders have: a forward reads little of it."""

    def __init__(self, layers: int) -> None:
        nn.Module.__init__(self)
        rows = WIDTH * WIDTH // SMALL  # each as large as one of the matrices
        self.layers = nn.ModuleList(nn.EmbeddingBag(rows, SMALL) for _ in range(layers))
        self.head = nn.Sequential(nn.Linear(SMALL * layers, 128), nn.ReLU(), nn.Linear(128, 1))

    @classmethod
    def input(cls) -> torch.Tensor:  # noqa: D102
        return torch.arange(0, WIDTH, 64)[None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return self.head(torch.cat([layer(x) for layer in self.layers], 1))


class Many(Big):
    """Thousands of small tensors."""

    width = SMALL

    def __init__(self, layers: int) -> None:
        nn.Module.__init__(self)
        self.layers = nn.ModuleList(nn.LayerNorm(SMALL) for _ in range(layers))


BODIES: dict[str, type[Big]] = {body.__name__: body for body in (Big, Normal, Tables, Many)}


def bytes_of(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in model.state_dict().values())
