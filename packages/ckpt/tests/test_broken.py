"""Broken files: walked past, named, kept, not counted."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

import ckpt

FOLDER = Path("logs/ckpt")


def path_of(idx: int) -> Path:
    return FOLDER / f"{idx:010d}.npz"


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    """Change one bit of the value of ``w``."""
    at = data.index(np.float32(5).tobytes())
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE = {
    "empty": (lambda data: b"", "it is empty"),
    "truncated": (truncate, "it has no list of members at its end"),
    "flipped": (flip, "member '0.npy': its bytes do not have the checksum"),
    "text": (lambda data: b"not found\n" * 30, "it has no list of members at its end"),
}


@pytest.fixture
def checkpoint(net) -> ckpt.Checkpoint:
    """Three whole checkpoints, whose ``b`` holds their number."""
    made = ckpt.Checkpoint("logs", keep_ckpts=3)
    for idx in (1, 2, 3):
        net["b"].assign(np.full(3, idx, np.float32))
        made.save(net, idx)
    return made


@pytest.fixture(params=DAMAGE)
def broken(request, checkpoint):
    """The newest is broken; what is wrong with it."""
    damage, reason = DAMAGE[request.param]
    path_of(3).write_bytes(damage(path_of(3).read_bytes()))
    return reason


def test_the_newest_whole_one_is_restored_with_one_warning(checkpoint, net, broken) -> None:
    with pytest.warns(ckpt.BrokenCheckpointWarning) as caught:
        found = checkpoint.restore(net)

    assert found == (2, str(path_of(2)))
    assert net["b"].value.tolist() == [2, 2, 2]
    (warning,) = caught
    assert str(path_of(3)) in str(warning.message)
    assert broken in str(warning.message)
    assert warning.filename == __file__


def test_one_warning_names_every_broken_file(checkpoint, net, broken) -> None:
    path_of(2).write_bytes(b"")

    with pytest.warns(ckpt.BrokenCheckpointWarning) as caught:
        assert checkpoint.restore(net)[0] == 1

    (warning,) = caught
    assert str(path_of(3)) in str(warning.message)
    assert f"{path_of(2)}: it is empty" in str(warning.message)


def test_asked_for_by_number_it_raises_and_names_it(checkpoint, net, broken, values) -> None:
    before = values(net)

    with pytest.raises(ValueError, match=r"0000000003\.npz is not a whole checkpoint") as caught:
        checkpoint.restore(net, idx=3)

    assert isinstance(caught.value, ckpt.BrokenFileError)
    assert broken in str(caught.value)
    assert all(np.array_equal(before[name], net[name].value) for name in net)


def test_where_all_are_broken_nothing_is_started_afresh(checkpoint, net) -> None:
    for idx in (1, 2, 3):
        path_of(idx).write_bytes(b"")

    with pytest.raises(ckpt.BrokenFileError, match=r"0000000003\.npz.*; nor is .*0000000001"):
        checkpoint.restore(net)


@pytest.mark.parametrize("restored_before", [False, True])
def test_a_broken_file_is_kept_and_not_counted(checkpoint, net, restored_before) -> None:
    path_of(3).write_bytes(truncate(path_of(3).read_bytes()))
    if restored_before:
        with pytest.warns(ckpt.BrokenCheckpointWarning):
            checkpoint.restore(net)

    checkpoint.save(net, 4)

    assert sorted(FOLDER.iterdir()) == [path_of(idx) for idx in (1, 2, 3, 4)]
    checkpoint.save(net, 5)
    assert sorted(FOLDER.iterdir()) == [path_of(idx) for idx in (2, 3, 4, 5)]


def test_a_flipped_bit_found_by_restoring_is_not_counted_either(checkpoint, net) -> None:
    path_of(3).write_bytes(flip(path_of(3).read_bytes()))
    with pytest.warns(ckpt.BrokenCheckpointWarning):
        checkpoint.restore(net)

    checkpoint.save(net, 4)

    assert sorted(FOLDER.iterdir()) == [path_of(idx) for idx in (1, 2, 3, 4)]


def test_a_broken_one_saved_again_is_whole_again(checkpoint, net, broken) -> None:
    checkpoint.save(net, 3)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checkpoint.restore(net)[0] == 3


def test_other_variables_are_no_damage(checkpoint, net) -> None:
    """An older checkpoint would not fit either, and walking back would hide the mistake."""
    other = ckpt.VarCollection({"w": np.zeros(7, np.float32)})

    with pytest.raises(ckpt.ShapeMismatchError, match=r"0000000003\.npz"):
        checkpoint.restore(other)


def test_every_flipped_bit_is_noticed_or_without_effect(net, values) -> None:
    ckpt.save_var_collection("net.npz", net)
    data = Path("net.npz").read_bytes()
    before = values(net)
    noticed = 0
    for at in range(len(data)):
        for bit in (at % 8, (at + 3) % 8):
            Path("net.npz").write_bytes(
                data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]
            )
            try:
                ckpt.load_var_collection("net.npz", net)
            except ckpt.BrokenFileError:
                noticed += 1
            now = values(net)
            assert all(np.array_equal(before[name], now[name]) for name in net), at
    assert noticed > len(data)


def test_cut_off_anywhere_it_is_broken(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    data = Path("net.npz").read_bytes()

    for length in range(len(data)):
        Path("net.npz").write_bytes(data[:length])
        with pytest.raises(ckpt.BrokenFileError):
            ckpt.load_var_collection("net.npz", net)


def test_what_was_read_of_broken_ones_is_not_kept_while_an_older_one_is_read() -> None:
    large = ckpt.Checkpoint("logs", keep_ckpts=3)
    for idx in (1, 2, 3):
        large.save(ckpt.VarCollection({"w": np.ones(1 << 20, np.float32)}), idx)
    for idx in (2, 3):
        data = path_of(idx).read_bytes()
        path_of(idx).write_bytes(data[:-5000] + b"x" + data[-4999:])
    net = ckpt.VarCollection({"w": np.zeros(1 << 20, np.float32)})
    gc.disable()
    tracemalloc.start()

    try:
        with pytest.warns(ckpt.BrokenCheckpointWarning):
            large.restore(net)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()

    assert peak < 6 << 20  # of 4 MiB
