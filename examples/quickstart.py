"""Train a small network on handwritten digits, keep everything, and get everything back.

From the root of the checkout::

    python examples/quickstart.py          # the main job, start to end
    cd examples
    python -m quickstart nodes             # the same node, from the command line
    python -m quickstart run FitDigits --epochs 20
    python -m quickstart ls

The main job trains in this process, copies the run's folder to another place, and lets
``recover.py`` in a fresh process get everything back from that copy alone. It exits with a
status other than 0 if one bit differs.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

import ckpt
import persist_to_disk as ptd
import savethat
from torch_saveload import SaveLoad, save_load

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
ENV_FILE = HERE / "savethat.toml"

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@ptd.persistf()
def prepare(test_share: float, seed: int) -> Split:
    """Scale the digits that scikit-learn ships to [0, 1] and split them.

    Returns:
        Training images (n, 64) float32, training labels (n,) int64, test images, test labels.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    scaled = (images / 16).astype(np.float32)
    split = train_test_split(
        scaled, labels, test_size=test_share, random_state=seed, stratify=labels
    )
    return split[0], split[2], split[1], split[3]


@ptd.persistf()
def baseline_accuracy(test_share: float, seed: int) -> float:
    """What a linear model reaches: the number to beat."""
    from sklearn.linear_model import LogisticRegression

    train_images, train_labels, test_images, test_labels = prepare(test_share, seed)
    model = LogisticRegression(max_iter=1000).fit(train_images, train_labels)
    return float(model.score(test_images, test_labels))


@save_load(version="1.0")
class DigitNet(nn.Module, SaveLoad):
    """Two hidden layers: (batch, 64) float32 → (batch, 10) logits."""

    def __init__(self, hidden: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits of each class."""
        logits: Tensor = self.layers(images)
        return logits


@dataclasses.dataclass(frozen=True)
class FitDigitsArgs:
    """Arguments of FitDigits; each is an option on the command line."""

    epochs: int = 30  # passes over the training images
    hidden: int = 256  # width of the two hidden layers
    lr: float = 2e-3  # learning rate of Adam
    batch_size: int = 64  # images a step
    test_share: float = 0.25  # of the images, kept for the test
    seed: int = 0  # of the split, the initial weights and the order of the batches


class Training:
    """A model with its optimizer, data and arguments; one epoch is a pure function of these."""

    def __init__(self, args: FitDigitsArgs) -> None:
        torch.set_num_threads(1)  # the order of a sum is part of its bits
        torch.manual_seed(args.seed)
        self.args = args
        self.model = DigitNet(hidden=args.hidden)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=args.lr)
        split = prepare(args.test_share, args.seed)
        self.train_images, self.train_labels, self.test_images, self.test_labels = (
            torch.from_numpy(array) for array in split
        )
        self.variables = ckpt.torch_variables(model=self.model, optimizer=self.optimizer)

    def run_epoch(self, epoch: int) -> float:
        """One pass over the training images in an order set by the epoch; the mean loss."""
        torch.manual_seed(self.args.seed * 1_000_003 + epoch)  # batches and dropout
        self.model.train()
        losses = []
        for batch in torch.randperm(len(self.train_images)).split(self.args.batch_size):
            logits = self.model(self.train_images[batch])
            loss = nn.functional.cross_entropy(logits, self.train_labels[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    def accuracy(self) -> float:
        """Share of the test images that are classified rightly."""
        right = torch.from_numpy(predict(self.model, self.test_images)).argmax(1)
        return float((right == self.test_labels).float().mean())


def predict(model: nn.Module, images: Tensor) -> np.ndarray:
    """Logits of shape (images, 10), float32, as what the model gives without dropout."""
    model.eval()
    with torch.no_grad():
        logits: np.ndarray = model(images).numpy()
    return logits


class FitDigits(savethat.Node[FitDigitsArgs, dict[str, float]]):
    """Classify handwritten digits with a small network."""

    def _run(self) -> dict[str, float]:
        ptd.config.set_persist_path(self.storage / "cache")
        baseline = baseline_accuracy(self.args.test_share, self.args.seed)
        training = Training(self.args)
        checkpoints = ckpt.Checkpoint(str(self.output_dir), keep_ckpts=3, verbose=False)
        best = 0.0
        start = time.perf_counter()
        for epoch in range(1, self.args.epochs + 1):
            loss = training.run_epoch(epoch)
            accuracy = training.accuracy()
            savethat.logger.info(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.2%}")
            self.log_metric("loss", loss, epoch)
            checkpoints.save(training.variables, idx=epoch)
            if accuracy > best:
                best = accuracy
                training.model.save(self.output_dir / "best_model.pth")
                np.save(
                    self.output_dir / "best_predictions.npy",
                    predict(training.model, training.test_images),
                )
        np.save(
            self.output_dir / "last_predictions.npy",
            predict(training.model, training.test_images),
        )
        self.log_metric("seconds", time.perf_counter() - start)
        # Only what a second run with the same arguments gives again: `reproduce` compares it.
        return {"baseline": baseline, "accuracy": best, "epochs": epoch}


def describe(run: Path, result: dict[str, float]) -> Iterator[str]:
    """Yield what the run kept, a line for each kind."""
    storage = savethat.get_storage(ENV_FILE)
    artifacts, metrics = storage.load_artifacts(run.name), storage.load_metrics(run.name)
    there = [artifact for artifact in artifacts if (run / artifact["path"]).exists()]
    sizes = {artifact["path"]: artifact["bytes"] / 1000 for artifact in there}
    cached = [artifact for artifact in artifacts if artifact["kind"] == "cache entry"]
    hits = sum(artifact["hit"] for artifact in cached)
    yield f"run          {run.name}"
    yield f"cache        hits {hits}, misses {len(cached) - hits} (preprocessing, baseline)"
    yield f"baseline     logistic regression, accuracy {result['baseline']:.2%}"
    yield (
        f"trained      {result['epochs']:.0f} epochs in {metrics[-1]['value']:.1f} s, "
        f"best accuracy {result['accuracy']:.2%}"
    )
    checkpoints = sorted({a["path"] for a in there if a["kind"] == "checkpoint"})
    yield f"checkpoints  {', '.join(checkpoints)}, {sizes[checkpoints[-1]]:.0f} kB each"
    yield f"model        best_model.pth, {sizes['best_model.pth']:.0f} kB"
    yield f"code         code.zip, {sizes['code.zip']:.0f} kB"


def recover(run: Path) -> int:
    """Run recover.py in a fresh process that has nothing but a copy of the run's folder."""
    with tempfile.TemporaryDirectory() as elsewhere:
        copy = Path(elsewhere) / run.name
        shutil.copytree(run, copy)
        home = {"HOME": elsewhere, "USERPROFILE": elsewhere, "XDG_CACHE_HOME": elsewhere}
        script = shutil.copy(HERE / "recover.py", elsewhere)
        command = [sys.executable, "-I", script, str(copy)]  # -I: nothing of this folder
        return subprocess.run(
            command, cwd=elsewhere, env={**os.environ, **home}, check=False
        ).returncode


def main() -> int:
    """Train, show what was kept, and get it back; the status for the shell."""
    start = time.perf_counter()
    savethat.logger.remove()  # the run keeps its log; the screen gets a summary
    node = savethat.create_node(FitDigits, FitDigitsArgs(), env_file=ENV_FILE)
    result = node.run()
    for line in describe(node.output_dir, result):
        print(line, flush=True)
    print("-- in a fresh process, from a copy of the run's folder alone:", flush=True)
    status = recover(node.output_dir)
    print(f"done         in {time.perf_counter() - start:.0f} s")
    return status


if __name__ == "__main__":
    if len(sys.argv) > 1:
        savethat.run_main("quickstart", env_file=ENV_FILE)
    else:
        # Under its own name, so that what the run keeps can be imported again.
        import quickstart

        sys.exit(quickstart.main())
