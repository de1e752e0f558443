"""Run by test_crash.py: fork children that save a checkpoint, each traced by a strace of its own.

For each line on standard input, a folder's name, it copies a folder with checkpoints 1 and 2,
forks a child, prints the child's id, and prints its exit code when it is gone. The child stops
until it is told to continue, and saves checkpoint 3. A number after the name is that of the write
in the middle of which the child dies.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np

import ckpt
from expcore import _stages


def variables(value: float) -> ckpt.VarCollection:
    """Three variables, of which one is large enough for a write of its own."""
    shapes = {"w": (300_000,), "b": (3,), "step": ()}
    return ckpt.VarCollection({name: np.full(shape, value) for name, shape in shapes.items()})


def child(folder: Path) -> None:
    """Save checkpoint 3, and acknowledge it."""
    checkpoint = ckpt.Checkpoint(folder, keep_ckpts=2, verbose=False)
    vc = variables(3.0)
    acknowledged = os.open(folder / "acknowledged", os.O_CREAT | os.O_WRONLY)
    os.kill(os.getpid(), signal.SIGSTOP)
    checkpoint.save(vc, 3)
    os.write(acknowledged, b"yes")


def die_at(nth: int) -> None:
    """Have the process killed in the middle of a write, whichever thread that falls to."""
    write, calls = os.pwrite, itertools.count(1)

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if next(calls) == nth:
            write(descriptor, data[: len(data) // 8192 * 4096], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        return write(descriptor, data, offset)

    os.pwrite = pwrite


def main() -> None:
    """Do what the module says."""
    root = Path(sys.argv[1])
    if sys.argv[2:] == ["staged"]:  # as a large file is written: in parts, by several threads
        _stages.STAGE_BYTES = 256 << 10
    template = root / "template"
    checkpoint = ckpt.Checkpoint(template, keep_ckpts=2, verbose=False)
    for idx in (1, 2):
        checkpoint.save(variables(float(idx)), idx)
    checkpoint.restore(variables(0.0))  # everything is imported
    for line in sys.stdin:
        name, *nth = line.split()
        folder = Path(shutil.copytree(template, root / name))
        pid = os.fork()
        if pid == 0:
            if nth:
                die_at(int(nth[0]))
            try:
                child(folder)
            except OSError:
                os._exit(1)
            os._exit(0)
        os.waitpid(pid, os.WUNTRACED)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
