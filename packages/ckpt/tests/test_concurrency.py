"""Several processes and threads on one folder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import ckpt

FOLDER = Path("logs/ckpt")
TRAINING = """
import sys, numpy as np, ckpt
checkpoint = ckpt.Checkpoint("logs", keep_ckpts=2, verbose=False)
for step in range(1, 61):
    value = np.full(20_000, step * 10.0 + int(sys.argv[1]))
    checkpoint.save(ckpt.VarCollection({"a": value, "b": value}), step)
"""


def target() -> ckpt.VarCollection:
    return ckpt.VarCollection({"a": np.zeros(20_000), "b": np.zeros(20_000)})


def test_an_evaluator_restores_whole_checkpoints_while_two_trainings_save() -> None:
    """Two writers of the same numbers, two kept: files vanish under the reader all the time."""
    trainings = [subprocess.Popen([sys.executable, "-c", TRAINING, str(i)]) for i in (1, 2)]
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=2, verbose=False)
    seen = []
    while any(training.poll() is None for training in trainings):
        vc = target()
        idx, _ = checkpoint.restore(vc)
        values = {*vc["a"].value, *vc["b"].value}
        assert len(values) == 1, "a torn read"
        if idx:
            assert values <= {idx * 10.0 + 1, idx * 10.0 + 2}
        seen.append(idx)

    assert [training.returncode for training in trainings] == [0, 0]
    assert len(set(seen)) > 3
    assert sorted(path.name for path in FOLDER.iterdir()) == ["0000000059.npz", "0000000060.npz"]
    assert checkpoint.restore(target())[0] == 60


def test_threads_may_share_a_checkpoint_object() -> None:
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=3, verbose=False)
    start = threading.Barrier(4)

    def save(thread: int) -> None:
        start.wait()
        for step in range(20):
            value = np.full(1000, float(step))
            checkpoint.save(ckpt.VarCollection({"a": value}), step)
            vc = ckpt.VarCollection({"a": np.zeros(1000)})
            idx, _ = checkpoint.restore(vc)
            assert set(vc["a"].value) == {float(idx)}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(4)))

    assert [saved.step for saved in checkpoint.all()] == [17, 18, 19]


def test_of_two_writers_of_one_number_one_wins_whole() -> None:
    start = threading.Barrier(2)

    def save(value: float) -> None:
        start.wait()
        vc = ckpt.VarCollection({"a": np.full(20_000, value), "b": np.full(20_000, value)})
        ckpt.Checkpoint("logs", keep_ckpts=2).save(vc, 1)

    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(save, (1.0, 2.0)))
        vc = target()
        ckpt.Checkpoint("logs", 2, verbose=False).restore(vc)
        assert {*vc["a"].value, *vc["b"].value} in ({1.0}, {2.0})
        assert [path.name for path in FOLDER.iterdir()] == ["0000000001.npz"]


def test_a_save_while_the_folder_is_listed_hides_no_newer_one(net, monkeypatch) -> None:
    training = ckpt.Checkpoint("logs", ckpt.Retention(last=1, every=10), verbose=False)
    training.save(net, 10)
    training.save(net, 11)
    reader = ckpt.Checkpoint("logs", 1, verbose=False)
    scandir = os.scandir

    def slow(folder):
        entries = list(scandir(folder))
        monkeypatch.setattr(os, "scandir", scandir)
        training.save(net, 12)  # and 11 is deleted
        return entries

    monkeypatch.setattr(os, "scandir", slow)

    assert reader.restore(net)[0] == 12
