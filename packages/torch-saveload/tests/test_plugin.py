"""What a savethat run learns of the models saved in it."""

from pathlib import Path

import pytest
from torch import nn

from torch_saveload import save_load

pytest.importorskip("pluggy")


class Run:
    """What savethat hands to plugins, as far as this one uses it."""

    def __init__(self):
        self.artifacts = []

    def add_artifact(self, path, **facts):
        self.artifacts.append((Path(path), facts))


@save_load()
class Net(nn.Module): ...


def test_models_saved_between_start_and_end_are_listed():
    from torch_saveload import _savethat

    run = Run()
    Net().save("before.pth")
    _savethat.run_start(run=run)
    Net().save("during.pth")
    _savethat.run_end(run=run, status="completed")
    Net().save("after.pth")

    assert run.artifacts == [(Path("during.pth"), {"kind": "model", "by": "torch_saveload"})]


def test_the_hooks_are_marked_for_savethat():
    from torch_saveload import _savethat

    assert hasattr(_savethat.run_start, "savethat_impl")
    assert hasattr(_savethat.run_end, "savethat_impl")
