"""Which checkpoints are kept: the newest, the best, every n-th, the recent."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

import ckpt

FOLDER = Path("logs/ckpt")


def steps() -> list[int]:
    return sorted(int(path.stem) for path in FOLDER.iterdir())


def test_the_best_by_a_metric_are_kept(net) -> None:
    keep = ckpt.Retention(last=1, best=2, metric="loss")
    checkpoint = ckpt.Checkpoint("logs", keep)
    for step, loss in enumerate([5.0, 1.0, 4.0, 2.0, 3.0]):
        checkpoint.save(net, step, metrics={"loss": loss})

    assert steps() == [1, 3, 4]
    assert checkpoint.best().step == 1


def test_the_best_may_be_the_largest_and_nan_is_never_best(net) -> None:
    keep = ckpt.Retention(best=1, metric="accuracy", mode="max")
    checkpoint = ckpt.Checkpoint("logs", keep)
    for step, value in enumerate([0.1, 0.9, float("nan"), np.float32(0.5)]):
        checkpoint.save(net, step, metrics={"accuracy": value})
    checkpoint.save(net, 4)

    assert steps() == [1, 4]


def test_every_nth_is_kept_for_ever(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", ckpt.Retention(last=1, every=10))
    for step in range(0, 32, 4):
        checkpoint.save(net, step)

    assert steps() == [0, 20, 28]


def test_those_within_a_time_are_kept(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", ckpt.Retention(last=1, within=timedelta(hours=1)))
    for step in (1, 2, 3):
        checkpoint.save(net, step)
    os.utime(FOLDER / "0000000001.npz", (0, 0))
    checkpoint.save(net, 4)

    assert steps() == [2, 3, 4]


def test_a_second_process_sees_the_same_metrics(net) -> None:
    """They are in the files."""
    keep = ckpt.Retention(best=1, metric="loss")
    ckpt.Checkpoint("logs", keep).save(net, 1, metrics={"loss": 1})
    ckpt.Checkpoint("logs", keep).save(net, 2, metrics={"loss": 2})
    ckpt.Checkpoint("logs", keep).save(net, 3, metrics={"loss": 3})

    assert steps() == [1, 3]


def test_all_latest_and_best_say_step_time_metrics_and_size(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=3)
    assert (checkpoint.all(), checkpoint.latest(), checkpoint.best("loss")) == ([], None, None)
    for step in (3, 1, 2):
        checkpoint.save(net, step, metrics={"loss": step})

    found = checkpoint.all()

    assert [saved.step for saved in found] == [1, 2, 3]
    assert [saved.metrics for saved in found] == [{"loss": 1}, {"loss": 2}, {"loss": 3}]
    assert checkpoint.latest() == found[-1]
    assert checkpoint.best("loss", mode="max") == found[-1]
    assert found[0].size == found[0].path.stat().st_size
    assert found[0].time.timestamp() == pytest.approx(found[0].path.stat().st_mtime)
    assert found[0].time.utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="metric is None"):
        checkpoint.best()


@pytest.mark.parametrize(
    "rules",
    [
        {"last": 0}, {"best": -1}, {"best": 1}, {"mode": "least"}, {"every": 0}, {"within": -1},
        {"last": 1.5}, {"every": "2"},
    ],
)  # fmt: skip
def test_a_rule_without_sense_is_a_value_error(rules) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(rules))}|metric"):
        ckpt.Retention(**rules)


def test_extra_and_metrics_come_back_and_change_no_bytes_of_others(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=3)
    extra = {"epoch": 3, "rng": [1, 2.5, None, True], "text": "ünï \ud800", "deep": {"x": {}}}
    checkpoint.save(net, 1, extra=extra, metrics={"loss": 0.1})
    checkpoint.save(net, 2)

    restored = checkpoint.restore(net, 1)

    assert restored.extra == extra
    assert restored.metrics == {"loss": 0.1}
    assert checkpoint.restore(net, 2).extra is None
    ckpt.save_var_collection("plain.npz", net)
    assert Path("plain.npz").read_bytes() == (FOLDER / "0000000002.npz").read_bytes()
    with np.load(FOLDER / "0000000001.npz") as file:
        assert file["names"].tolist() == ["w", "b"]


@pytest.mark.parametrize("extra", [{1: 2}, (1, 2), {"x": [np.float32(1)]}, {"x": b"y"}, {1, 2}])
def test_extra_that_would_not_come_back_as_it_is_is_refused(net, extra) -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match="extra"):
        ckpt.Checkpoint("logs", 1).save(net, 1, extra=extra)

    assert list(FOLDER.iterdir()) == []


def test_extra_that_is_nested_too_deeply_to_be_read_again_is_refused(net) -> None:
    deep: list = []
    endless: list = []
    endless.append(endless)
    for _ in range(150):
        deep = [deep]

    for extra in (deep, endless):
        with pytest.raises(ckpt.UnsupportedValueError, match="nested more than 100 deep"):
            ckpt.Checkpoint("logs", 1).save(net, 1, extra=extra)


@pytest.mark.parametrize("value", ["low", None, [1.0], {}, 10**400])
def test_a_metric_that_is_no_number_is_refused(net, value) -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match=r"loss.*no number"):
        ckpt.Checkpoint("logs", 1).save(net, 1, metrics={"loss": value})

    assert list(FOLDER.iterdir()) == []


@pytest.mark.parametrize("option", [{"last": None}, {"best": None}, {"within": float("nan")}])
def test_what_is_no_number_is_refused(option) -> None:
    with pytest.raises(ckpt.InvalidOptionError):
        ckpt.Retention(**option)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no file system that holds such times")
@pytest.mark.parametrize("seconds", [1 << 40, -(1 << 40)])
def test_a_file_time_that_no_calendar_has_ends_no_training(net, seconds) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        checkpoint = ckpt.Checkpoint(folder, ckpt.Retention(last=2, within=60))
        checkpoint.save(net, 1)
        os.utime(checkpoint.latest().path, (seconds, seconds))
        checkpoint.save(net, 2)

        assert checkpoint.all()[0].time.year in (1, 9999)
