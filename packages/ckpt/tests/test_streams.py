"""What is given as a file: objects of every kind, devices, and what is none."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

import ckpt


@pytest.mark.parametrize("file", [3, None, b"net.npz", io.StringIO("text")])
def test_what_is_no_binary_file_is_a_type_error_that_names_it(net, file) -> None:
    for use in (ckpt.save_var_collection, ckpt.load_var_collection):
        with pytest.raises(TypeError, match=r"expected a .*binary file, found"):
            use(file, net)


def test_a_file_opened_as_text_is_not_called_broken(net) -> None:
    ckpt.save_var_collection("net.npz", net)

    with Path("net.npz").open() as file, pytest.raises(TypeError, match='open it with "b"'):
        ckpt.load_var_collection(file, net)


def test_a_file_that_may_not_be_read_is_not_called_broken(net) -> None:
    ckpt.save_var_collection("net.npz", net)

    with Path("net.npz").open("ab") as file, pytest.raises(io.UnsupportedOperation):
        ckpt.load_var_collection(file, net)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_written_to_and_stays(net) -> None:
    """So does /dev/null, which a save as root would otherwise replace by a file."""
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)

    ckpt.save_var_collection("pipe", net)

    whole = io.BytesIO(os.read(reader, 1 << 16))
    os.close(reader)
    assert [path.name for path in Path().iterdir()] == ["pipe"]
    assert Path("pipe").is_fifo()
    assert ckpt.load_var_collection(whole, net).loaded == ("w", "b")


@pytest.mark.parametrize("taken", [None, 0])
def test_a_file_that_takes_no_bytes_is_an_error(net, taken) -> None:
    class Full(io.RawIOBase):
        def write(self, _):
            return taken  # as a pipe that does not block

    with pytest.raises(BlockingIOError):
        ckpt.save_var_collection(Full(), net)


def test_a_file_that_does_not_count_is_believed(net) -> None:
    class Bare:
        def __init__(self):
            self.got = bytearray()

        def write(self, data):
            self.got += data

    bare = Bare()
    ckpt.save_var_collection(bare, net)

    assert ckpt.load_var_collection(io.BytesIO(bare.got), net).loaded == ("w", "b")
