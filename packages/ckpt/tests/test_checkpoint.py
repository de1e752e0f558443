"""A folder of numbered checkpoints."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import ckpt

FOLDER = Path("logs/ckpt")


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture
def checkpoint() -> ckpt.Checkpoint:
    return ckpt.Checkpoint("logs", keep_ckpts=3)


def fill(net, value: float) -> None:
    for variable in net.values():
        variable.assign(np.full_like(variable.value, value))


def test_the_documented_example_holds(checkpoint, net, capsys) -> None:
    fill(net, 1)
    checkpoint.save(net, idx=1)
    fill(net, 2)
    checkpoint.save(net, idx=2)

    checkpoint.restore(net, idx=1)
    assert net["w"].value.max() == 1
    checkpoint.restore(net, idx=2)
    assert net["w"].value.max() == 2
    idx, file = checkpoint.restore(net)

    assert (idx, file) == (2, "logs/ckpt/0000000002.npz")
    assert "Resuming from logs/ckpt/0000000002.npz\n" in capsys.readouterr().out


@pytest.mark.parametrize("makedir", [True, False])
def test_where_nothing_was_saved_it_says_so_and_changes_nothing(net, capsys, makedir) -> None:
    fill(net, 7)

    found = ckpt.Checkpoint("logs", 3, makedir).restore(net)

    assert found == (0, "")
    assert capsys.readouterr().out == "No checkpoints found. Skipping restoring variables.\n"
    assert net["w"].value.min() == 7
    assert Path("logs").exists() == makedir


def test_it_is_silent_on_request(net, capsys) -> None:
    checkpoint = ckpt.Checkpoint("logs", 3, verbose=False)
    checkpoint.restore(net)
    checkpoint.save(net, 1)
    checkpoint.restore(net)

    assert capsys.readouterr().out == ""


def test_a_missing_number_is_a_file_not_found_error_naming_those_there(checkpoint, net) -> None:
    checkpoint.save(net, 4)

    with pytest.raises(FileNotFoundError, match=r"0000000005\.npz; the numbers saved there: 4"):
        checkpoint.restore(net, idx=5)


@pytest.mark.parametrize("vc", [[], None, "net"])
def test_what_is_no_collection_is_refused(checkpoint, vc) -> None:
    for call in (lambda: checkpoint.save(vc, 1), lambda: checkpoint.restore(vc)):
        with pytest.raises(AssertionError):
            call()


@pytest.mark.parametrize("keep", [0, -1])
def test_keeping_less_than_one_is_a_value_error(keep) -> None:
    with pytest.raises(ValueError, match=f"keep_ckpts is {keep}, expected at least 1"):
        ckpt.Checkpoint("logs", keep)

    assert not Path("logs").exists()


def test_a_number_must_be_whole(checkpoint, net) -> None:
    with pytest.raises(TypeError):
        checkpoint.save(net, 1.5)

    checkpoint.save(net, np.int64(7))
    assert names() == ["0000000007.npz"]


def test_the_newest_by_number_are_kept(checkpoint, net) -> None:
    for idx in (8, 9, 10, 11):
        checkpoint.save(net, idx)

    assert names() == ["0000000009.npz", "0000000010.npz", "0000000011.npz"]


def test_numbers_of_more_than_ten_digits_are_compared_as_numbers(checkpoint, net) -> None:
    for idx in (9_999_999_998, 9_999_999_999, 10_000_000_000, 10_000_000_001):
        checkpoint.save(net, idx)

    assert names() == ["10000000000.npz", "10000000001.npz", "9999999999.npz"]
    assert checkpoint.restore(net)[0] == 10_000_000_001


def test_the_one_just_saved_is_never_deleted(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=2)
    for idx in (10, 20, 3):
        checkpoint.save(net, idx)

    assert names() == ["0000000003.npz", "0000000010.npz", "0000000020.npz"]


@pytest.mark.parametrize("name", ["best.npz", "model_7.npz", "7.npz", "0000000001.npz.bak"])
def test_files_with_names_of_another_form_are_never_touched(net, name) -> None:
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=1)
    (FOLDER / name).write_bytes(b"mine")

    checkpoint.save(net, 1)
    checkpoint.save(net, 2)

    assert names() == sorted(["0000000002.npz", name])
    assert checkpoint.restore(net)[0] == 2


def test_a_folder_with_the_name_of_a_checkpoint_is_none(checkpoint, net) -> None:
    (FOLDER / "0000000009.npz").mkdir()
    checkpoint.save(net, 1)

    assert checkpoint.restore(net)[0] == 1


def test_nothing_is_deleted_when_the_save_fails(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=1)
    checkpoint.save(net, 1)

    with pytest.raises(ckpt.UnsupportedValueError):
        checkpoint.save(net + {"fn": np.array([print])}, 2)

    assert names() == ["0000000001.npz"]


@pytest.mark.parametrize(
    ("filename", "idx"),
    [("0000000042.npz", 42), ("logs/ckpt/0000000042.npz", 42), ("7.npz", 7)],
)
def test_a_file_name_gives_its_number(filename, idx) -> None:
    assert ckpt.Checkpoint.checkpoint_idx(filename) == idx
    assert ckpt.Checkpoint("logs", 1).checkpoint_idx(filename) == idx


def test_a_file_name_without_a_number_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="best"):
        ckpt.Checkpoint.checkpoint_idx("best.npz")


class Renamed(ckpt.Checkpoint):
    """Other names, as the documentation describes."""

    DIR_NAME = "saves"
    FILE_MATCH = "step-*.ckpt"
    FILE_FORMAT = "step-%d.ckpt"


def test_a_subclass_may_change_folder_and_names(net) -> None:
    checkpoint = Renamed("logs", keep_ckpts=2)
    for idx in (9, 10, 11):
        checkpoint.save(net, idx)

    found = sorted(path.name for path in Path("logs/saves").iterdir())
    assert found == ["step-10.ckpt", "step-11.ckpt"]
    assert checkpoint.restore(net) == (11, "logs/saves/step-11.ckpt")
    assert Renamed.checkpoint_idx("logs/saves/step-11.ckpt") == 11


class Pickled(ckpt.Checkpoint):
    """Functions of one's own, as the documentation describes."""

    FILE_MATCH = "*.pickle"
    FILE_FORMAT = "%04d.pickle"
    calls: ClassVar[list[str]] = []

    @staticmethod
    def LOAD_FN(file, vc):
        for name, value in pickle.loads(Path(file).read_bytes()).items():
            vc[name].assign(value)

    @staticmethod
    def SAVE_FN(file, vc):
        Pickled.calls.append(file)
        Path(file).write_bytes(pickle.dumps({name: v.value for name, v in vc.items()}))


def test_a_subclass_may_replace_the_functions(net) -> None:
    checkpoint = Pickled("logs", keep_ckpts=1)
    fill(net, 1)
    checkpoint.save(net, 1)
    fill(net, 2)
    checkpoint.save(net, 2)
    fill(net, 3)

    assert checkpoint.restore(net) == (2, "logs/ckpt/0002.pickle")
    assert net["w"].value.max() == 2
    assert names() == ["0002.pickle"]
    assert Pickled.calls == ["logs/ckpt/0001.pickle", "logs/ckpt/0002.pickle"]


def test_leftovers_of_killed_writers_are_swept(checkpoint, net) -> None:
    leftover = FOLDER / ".0000000001.npz.0123456789abcdef.tmp"
    leftover.write_bytes(b"half")
    os.utime(leftover, (0, 0))  # on Windows it has to be a minute old

    checkpoint.save(net, 1)

    assert names() == ["0000000001.npz"]


def test_how_many_are_kept_can_be_changed(checkpoint, net) -> None:
    checkpoint.keep_ckpts = 2

    for idx in (1, 2, 3):
        checkpoint.save(net, idx)

    assert names() == ["0000000002.npz", "0000000003.npz"]
    with pytest.raises(ckpt.InvalidOptionError, match="at least 1"):
        checkpoint.keep_ckpts = 0
    assert checkpoint.keep_ckpts == 2


@pytest.mark.parametrize("name", ["logdir", "DIR_NAME", "FILE_MATCH", "FILE_FORMAT"])
def test_where_they_are_cannot_be_changed_without_effect(checkpoint, name) -> None:
    with pytest.raises(AttributeError, match=f"{name} cannot be changed"):
        setattr(checkpoint, name, "other")


def test_a_subclass_may_set_once_more_where_they_are() -> None:
    class Logged(ckpt.Checkpoint):
        def __init__(self, logdir: Path) -> None:
            super().__init__(logdir, keep_ckpts=1)
            self.logdir = logdir

    assert repr(Logged(Path("logs"))) == "Logged('logs', keep_ckpts=1)"


def test_an_old_one_that_may_not_be_read_ends_no_training(checkpoint, net, monkeypatch) -> None:
    checkpoint.save(net, 1)
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=1)
    open_npz = ckpt._folder.open_npz

    def guarded(path):
        if path.name == "0000000001.npz":
            raise PermissionError(errno.EACCES, "it is of another user", str(path))
        return open_npz(path)

    monkeypatch.setattr(ckpt._folder, "open_npz", guarded)

    checkpoint.save(net, 2)
    checkpoint.save(net, 3)

    assert names() == ["0000000001.npz", "0000000003.npz"]
