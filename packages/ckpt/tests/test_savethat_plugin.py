"""Checkpoints written while a run is active are listed in it; savethat itself is not needed."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import pytest

import ckpt

pluggy = pytest.importorskip("pluggy")


class Run:
    """What the plugin needs of a run."""

    def __init__(self, key: str = "2024/a") -> None:
        self.key = key
        self.artifacts: list[tuple[Path, str, str]] = []

    def add_artifact(self, path, *, kind, by, use="written", digest=None, **facts):
        self.artifacts.append((path, kind, by))


@pytest.fixture
def hooks():
    from ckpt import _savethat

    class Specs:
        @pluggy.HookspecMarker("savethat")
        def run_start(self, run):
            """As savethat specifies it."""

        @pluggy.HookspecMarker("savethat")
        def run_end(self, run, status):
            """As savethat specifies it."""

    manager = pluggy.PluginManager("savethat")
    manager.add_hookspecs(Specs)
    manager.register(_savethat)
    return manager.hook


def test_every_checkpoint_of_a_run_is_listed_once(hooks, net) -> None:
    run = Run()
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=1)
    hooks.run_start(run=run)
    checkpoint.save(net, 1)
    checkpoint.save(net, 2)
    ckpt.save_var_collection("net.npz", net)
    ckpt.save_var_collection(io.BytesIO(), net)
    hooks.run_end(run=run, status="completed")
    checkpoint.save(net, 3)

    assert run.artifacts == [
        (Path("logs/ckpt/0000000001.npz"), "checkpoint", "ckpt"),
        (Path("logs/ckpt/0000000002.npz"), "checkpoint", "ckpt"),
        (Path("net.npz"), "checkpoint", "ckpt"),
    ]


def test_a_function_of_ones_own_that_uses_ours_is_listed_once(hooks, net) -> None:
    class Wrapping(ckpt.Checkpoint):
        SAVE_FN = staticmethod(functools.partial(ckpt.save_var_collection))

    run = Run()
    hooks.run_start(run=run)
    Wrapping("logs", 1).save(net, 1)
    hooks.run_end(run=run, status="completed")

    assert len(run.artifacts) == 1


def test_runs_may_nest(hooks, net) -> None:
    outer, inner = Run("2024/outer"), Run("2024/inner")
    hooks.run_start(run=outer)
    hooks.run_start(run=inner)
    hooks.run_end(run=inner, status="failed")
    ckpt.save_var_collection("net.npz", net)
    hooks.run_end(run=outer, status="completed")

    assert inner.artifacts == []
    assert len(outer.artifacts) == 1


def test_a_run_that_ends_without_having_begun_is_no_error(hooks) -> None:
    hooks.run_end(run=Run(), status="interrupted")
