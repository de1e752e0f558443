"""``python -m ckpt``."""

from __future__ import annotations

import errno
import io
import os
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
        "w  float32    (2, 3)         0 .. 5",
        "b  float32    (3,)           0 .. 0",
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
        (["verify", "nothing"], "there is no checkpoint in nothing"),
        (["show", "empty.npz"], "empty.npz is not a whole checkpoint: it is empty"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(capsys, argv, said) -> None:
    Path("empty.npz").touch()
    Path("nothing").mkdir()

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


def test_ls_shows_metrics(capsys, net) -> None:
    ckpt.Checkpoint("logs", keep_ckpts=3).save(net, 13, metrics={"loss": 0.25})

    main(["ls", "logs"])

    assert capsys.readouterr().out.splitlines()[-1].endswith("2 variables  loss=0.25")


def test_diff_says_what_differs_and_by_how_much(capsys, net) -> None:
    ckpt.save_var_collection("a.npz", net + {"old": 1, "same": 2.0, "text": np.array("a")})
    net["w"].value[1, 1] += 0.5
    net["b"].assign(np.zeros(4, np.float32))
    ckpt.save_var_collection("b.npz", net + {"same": 2.0, "new": 1, "text": np.array("b")})

    assert main(["diff", "a.npz", "b.npz"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "~ w  1 of 6 differ, by up to 0.5",
        "~ b  float32 (3,) -> float32 (4,)",
        "- old",
        "~ text  other values",
        "+ new",
    ]


def test_diff_counts_a_nan_against_a_nan_as_equal_and_whole_numbers_exactly(capsys) -> None:
    before = {"x": np.array([np.nan, 1.0, np.nan]), "n": np.array([2**60, 5])}
    after = {"x": np.array([np.nan, 2.0, 3.0]), "n": np.array([2**60 + 1, 5])}
    for path, arrays in (("a.npz", before), ("b.npz", after)):
        ckpt.save_var_collection(path, ckpt.VarCollection(arrays))

    main(["diff", "a.npz", "b.npz"])

    x, n = capsys.readouterr().out.splitlines()
    assert x.startswith("~ x  2 of 3 differ, by up to 1")
    assert n.startswith("~ n  1 of 2 differ")


def test_verify_reads_everything_and_fails_with_what_is_broken(capsys) -> None:
    assert main(["verify", "logs"]) == 0
    path = Path("logs/ckpt/0000000012.npz")
    data = bytearray(path.read_bytes())
    data[data.index(np.float32(5).tobytes())] ^= 1
    path.write_bytes(data)

    assert main(["verify", "logs"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines] == [
        "whole: 2 variables, 36 B", "whole: 2 variables, 36 B", "whole: 2 variables, 36 B",
        "broken: member '0.npy': its bytes do not have the checksum that it names",
    ]  # fmt: skip


def test_average_is_the_mean_of_weights_and_the_last_of_whole_numbers(capsys) -> None:
    for step in (1, 2, 6):
        bf16 = (np.array([step], np.float32).view(np.uint32) >> 16).astype("<u2")
        vc = {"w": np.full(2, float(step)), "step": step, "x": bf16.view([("bfloat16", "<u2")])}
        ckpt.save_var_collection(f"{step}.npz", ckpt.VarCollection(vc))

    assert main(["average", "1.npz", "2.npz", "6.npz", "-o", "mean.npz"]) == 0

    with ckpt.load("mean.npz") as mean:
        assert mean["w"].tolist() == [3, 3]
        assert mean["step"] == 6
        assert mean["x"].astype(np.float32).tolist() == [3]


def test_an_average_of_different_variables_is_refused(capsys, net) -> None:
    ckpt.save_var_collection("a.npz", ckpt.VarCollection({"w": np.zeros((2, 4), np.float32)}))

    assert main(["average", "a.npz", "logs/ckpt/0000000005.npz", "-o", "mean.npz"]) == 1

    assert "'w' has shape (2, 3), but (2, 4) in a.npz" in capsys.readouterr().err
    assert not Path("mean.npz").exists()


def test_a_name_of_several_lines_is_shown_in_one(capsys) -> None:
    ckpt.save_var_collection("x.npz", ckpt.VarCollection({"a\n2 variables, fine": 1}))

    main(["show", "x.npz"])

    assert capsys.readouterr().out.splitlines()[0].startswith(r"a\n2 variables, fine  int64")


def test_a_reader_that_has_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "ckpt", "show", "logs/ckpt/0000000005.npz"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # as `head` does
        said = process.stderr.read()

    assert (process.returncode, said) == (1, b"")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_an_average_can_be_written_to_a_pipe() -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)

    assert main(["average", "logs/ckpt/0000000005.npz", "-o", "pipe"]) == 0

    with np.load(io.BytesIO(os.read(reader, 1 << 16))) as file:
        assert file["names"].tolist() == ["w", "b"]
    os.close(reader)


@pytest.mark.parametrize("command", ["ls", "verify"])
def test_what_the_training_deletes_meanwhile_is_passed_over(capsys, monkeypatch, command) -> None:
    open_npz = ckpt._reader.open_npz

    def late(path):
        if path.name == "0000000005.npz":
            path.unlink()
        return open_npz(path)

    for module in (ckpt._cli, ckpt._compare):
        monkeypatch.setattr(module, "open_npz", late)

    assert main([command, "logs"]) == 0

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err == ""


def test_what_may_not_be_read_is_a_line_among_the_others(capsys, monkeypatch) -> None:
    open_npz = ckpt._reader.open_npz

    def guarded(path):
        if path.name == "0000000005.npz":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_npz(path)

    for module in (ckpt._cli, ckpt._compare):
        monkeypatch.setattr(module, "open_npz", guarded)

    assert main(["ls", "logs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["5", "12"]
    assert main(["verify", "logs"]) == 1
    out, err = capsys.readouterr()
    assert "0000000005.npz  Permission denied" in out
    assert "0000000012.npz  whole" in out
    assert "Permission denied" in err


def test_show_stays_in_columns_whatever_the_names_are(capsys) -> None:
    names = ["w", "esc\x1b[31m", "long/" + "x" * 100]
    ckpt.save_var_collection("x.npz", ckpt.VarCollection(dict.fromkeys(names, 1234567)))

    main(["show", "x.npz"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].index("int64") == lines[1].index("int64") == 62
    assert lines[2] == f"{names[2]}  int64      ()             1234567 .. 1234567"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders")
def test_verify_waits_for_no_pipe(capsys) -> None:
    os.mkfifo("logs/ckpt/0000000007.npz")

    assert main(["verify", "logs"]) == 0
    assert "0000000007" not in capsys.readouterr().out
