"""What type checkers see; they read this file, and nothing runs it."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import persist_to_disk as ptd


@ptd.persistf(skip_kwargs=["device"])
def train(dataset: str, lr: float, *, device: str = "cpu") -> dict[str, float]:
    """Train."""
    return {dataset: lr}


class Model:
    """A class with a method."""

    @ptd.persistf()
    def fit(self, epochs: int) -> list[float]:
        """Fit."""
        return [0.0] * epochs


assert_type(train("MNIST", lr=0.1, device="cuda"), dict[str, float])
assert_type(train.is_cached("MNIST", 0.1), bool)
assert_type(train.cache_path("MNIST", 0.1), Path)
assert_type(train.cache_info().hits, int)
assert_type(Model().fit(3), list[float])
assert_type(Model.fit(Model(), 3), list[float])
assert_type(Model.fit.is_cached(Model(), epochs=3), bool)

train("MNIST", "0.1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
train.is_cached()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Model().fit("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
