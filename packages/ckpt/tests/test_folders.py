"""The folder of a checkpoint, and the forms that names in it may have."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

import ckpt

FOLDER = Path("logs/ckpt")


@pytest.fixture
def checkpoint() -> ckpt.Checkpoint:
    return ckpt.Checkpoint("logs", keep_ckpts=3)


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir())


def test_a_path_object_is_a_folder(net, tmp_path) -> None:
    checkpoint = ckpt.Checkpoint(tmp_path / "deep" / "run", keep_ckpts=1)
    checkpoint.save(net, 1)

    assert checkpoint.restore(net) == (1, str(tmp_path / "deep/run/ckpt/0000000001.npz"))


@pytest.mark.parametrize("logdir", ["./logs/", "a//logs", "logs"])
def test_the_path_begins_with_the_folder_as_it_was_given(net, capsys, logdir) -> None:
    checkpoint = ckpt.Checkpoint(logdir, 1)
    checkpoint.save(net, 1)

    _, path = checkpoint.restore(net)

    assert path == os.path.join(logdir, "ckpt", "0000000001.npz")  # noqa: PTH118 -- as objax does
    assert f"Resuming from {path}\n" in capsys.readouterr().out


def test_a_file_in_the_way_of_the_folder_is_said(tmp_path) -> None:
    Path("logs").write_text("a file")

    with pytest.raises(NotADirectoryError, match="logs"):
        ckpt.Checkpoint("logs", 1)


def test_a_relative_folder_stays_where_it_is_when_the_process_goes_elsewhere(
    checkpoint, net, tmp_path, monkeypatch
) -> None:
    checkpoint.save(net, 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    checkpoint.save(net, 2)

    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == [
        "0000000001.npz",
        "0000000002.npz",
    ]
    assert list(elsewhere.iterdir()) == []
    assert checkpoint.restore(net, 1) == (1, str(tmp_path / FOLDER / "0000000001.npz"))
    with pytest.raises(FileNotFoundError, match="saved there: 1, 2"):
        checkpoint.restore(net, 3)


@pytest.mark.parametrize("makedir", [True, False])
def test_a_folder_that_was_removed_meanwhile_is_made_again_on_request(net, makedir) -> None:
    FOLDER.mkdir(parents=True)
    checkpoint = ckpt.Checkpoint("logs", 1, makedir)
    shutil.rmtree("logs")

    if makedir:
        checkpoint.save(net, 1)
        assert names() == ["0000000001.npz"]
    else:
        with pytest.raises(FileNotFoundError):
            checkpoint.save(net, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_to_itself_among_the_checkpoints_is_passed_over(checkpoint, net) -> None:
    checkpoint.save(net, 1)
    (FOLDER / "0000000002.npz").symlink_to("0000000002.npz")

    assert checkpoint.restore(net)[0] == 1


@pytest.mark.parametrize(
    "form", ["last.npz", "%d-%d.npz", "{:010d}.npz", "%d/net.npz", "%q.npz", "%d/"]
)
def test_a_form_that_files_cannot_have_is_refused_at_once(form) -> None:
    odd = type("Odd", (ckpt.Checkpoint,), {"FILE_FORMAT": form})

    with pytest.raises(ckpt.InvalidOptionError, match="FILE_FORMAT"):
        odd("logs", 1)


@pytest.mark.parametrize(
    "constants", [{"FILE_FORMAT": "%010d.model"}, {"FILE_FORMAT": "%04x.npz"}]
)
def test_a_form_by_which_files_are_not_found_again_is_warned_of(constants) -> None:
    odd = type("Odd", (ckpt.Checkpoint,), constants)

    with pytest.warns(UserWarning, match="restored only by their number") as caught:
        odd("logs", 1)

    assert caught[0].filename == __file__


def test_a_subclass_may_prepare_itself_after_the_init_of_its_base() -> None:
    class Late(ckpt.Checkpoint):
        def __init__(self, logdir: str) -> None:
            super().__init__(logdir, keep_ckpts=2, verbose=False)
            self.offset = 0

        def checkpoint_idx(self, file: str) -> int:  # type: ignore[override]
            return ckpt.Checkpoint.checkpoint_idx(file) + self.offset

    late = Late("logs")
    late.save(ckpt.VarCollection({"w": 1.0}), 3)

    assert late.restore(ckpt.VarCollection({"w": 0.0}))[0] == 3
