"""``python -m ckpt``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ckpt
from ckpt._cli import main


@pytest.fixture(autouse=True)
def saved(net) -> None:
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=3)
    checkpoint.save(net, 5)
    checkpoint.save(net, 12)


@pytest.mark.parametrize("folder", ["logs", "logs/ckpt"])
def test_ls_gives_a_line_per_checkpoint_and_says_which_are_broken(capsys, folder) -> None:
    Path("logs/ckpt/0000000012.npz").write_bytes(b"")

    assert main(["ls", folder]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["5", "12"]
    assert lines[0].endswith("2 variables")
    assert lines[1].endswith("broken: it is empty")


def test_show_gives_a_line_per_variable(capsys) -> None:
    assert main(["show", "logs/ckpt/0000000005.npz"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "w  float32    (2, 3)",
        "b  float32    (3,)",
        "2 variables, 36 B",
    ]


def test_show_names_the_type_of_extended_values(capsys) -> None:
    value = np.zeros(2, np.dtype([("bfloat16", "<u2")]))
    ckpt.save_var_collection("x.npz", ckpt.VarCollection({"x": value}))

    main(["show", "x.npz"])

    assert "x  bfloat16   (2,)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["ls", "nowhere"], "there is no folder nowhere"),
        (["show", "nowhere.npz"], "nowhere.npz"),
        (["show", "empty.npz"], "empty.npz is not a whole checkpoint: it is empty"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(capsys, argv, said) -> None:
    Path("empty.npz").touch()

    assert main(argv) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert said in err


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ckpt", "ls", "logs"], capture_output=True, text=True, check=True
    )

    assert len(done.stdout.splitlines()) == 2
