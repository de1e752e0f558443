"""Killed, or failed, at every system call of a save: nothing acknowledged is ever lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import ckpt

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
SAVER = Path(__file__).with_name("saver.py")
CALL = re.compile(r"^(?:\d+ +)?(\w+)\(", re.MULTILINE)


class Saver:
    """A process that forks children, which are struck while they save."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, SAVER, root, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def save(self, *options: str) -> tuple[Path, int, str]:
        """One child under strace with options: its folder, its exit code, what strace wrote."""
        folder, pid = self._begin()
        log = folder.with_suffix(".calls")
        command = ["strace", "-f", "-y", "-p", pid, "-o", log, *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            attached = "attached" in tracer.stderr.readline()
            code = self._end(pid)
        if not attached:
            pytest.skip("strace may not attach to a process here")
        return folder, code, log.read_text()

    def strike(self, nth: int) -> tuple[Path, int]:
        """One child that dies in the middle of a write: its folder, its exit code."""
        folder, pid = self._begin(str(nth))
        return folder, self._end(pid)

    def _begin(self, *words: str) -> tuple[Path, str]:
        self.count += 1
        folder = self.root / f"{self.count:03d}"
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(" ".join([folder.name, *words]) + "\n")
        stdin.flush()
        return folder, stdout.readline().strip()

    def _end(self, pid: str) -> int:
        assert self.process.stdout is not None
        os.kill(int(pid), signal.SIGCONT)
        return int(self.process.stdout.readline())


@pytest.fixture(params=[()])
def saver(request, tmp_path):
    made = Saver(tmp_path, *request.param)
    yield made
    made.process.kill()
    made.process.communicate()


def strikes(calls: str, among: str = r"\w+") -> list[tuple[str, int]]:
    """Each call that a trace has, as strace counts them: the name, and which of that name."""
    seen: Counter[str] = Counter()
    out = []
    for name in CALL.findall(calls):
        seen[name] += 1
        if re.fullmatch(among, name) and name not in ("exit_group", "restart_syscall"):
            out.append((name, seen[name]))
    return out


def check(folder: Path) -> int:
    """Restore the newest; all its values must be of one checkpoint. Its number."""
    vc = ckpt.VarCollection({"w": np.zeros(300_000), "b": np.zeros(3), "step": np.array(0.0)})
    checkpoint = ckpt.Checkpoint(folder, keep_ckpts=2, verbose=False)
    idx, _ = checkpoint.restore(vc)
    assert all(np.all(variable.value == idx) for variable in vc.values())
    acknowledged = (folder / "acknowledged").read_bytes() == b"yes"
    assert idx == 3 if acknowledged else idx in (2, 3)
    checkpoint.save(vc, 4)
    names = {path.name for path in (folder / "ckpt").iterdir()}
    assert not any(name.endswith(".tmp") for name in names), "leftovers must be swept"
    shutil.rmtree(folder)
    return idx


def test_killed_at_any_system_call_the_newest_acknowledged_one_restores(saver) -> None:
    folder, code, calls = saver.save()
    assert (code, check(folder)) == (0, 3)
    outcomes = set()
    for name, nth in strikes(calls):
        folder, code, _ = saver.save("-e", f"inject={name}:signal=KILL:when={nth}")
        outcomes.add((code, check(folder)))

    assert outcomes == {(-9, 2), (-9, 3)}


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_failed_at_any_system_call_that_writes_nothing_is_lost(saver, error) -> None:
    _, _, calls = saver.save()
    writing = "openat|write|pwrite64|fallocate|ftruncate|fsync|rename|link|unlink|close"
    outcomes = set()
    for name, nth in strikes(calls, writing):
        folder, code, _ = saver.save("-e", f"inject={name}:error={error}:when={nth}")
        outcomes.add((code, check(folder)))

    assert {(1, 2), (0, 3)} <= outcomes <= {(1, 2), (1, 3), (0, 3)}


@pytest.mark.parametrize("saver", [("staged",)], indirect=True)
def test_killed_around_what_several_threads_write_nothing_is_lost(saver) -> None:
    _, code, calls = saver.save()
    assert (code, calls.count("O_DIRECT") > 0) == (0, hasattr(os, "O_DIRECT"))
    outcomes = set()
    for name, nth in strikes(calls, "fallocate|fsync|rename|unlink"):
        folder, code, _ = saver.save("-e", f"inject={name}:signal=KILL:when={nth}")
        outcomes.add((code, check(folder)))

    assert outcomes == {(-9, 2), (-9, 3)}


@pytest.mark.parametrize("saver", [("staged",)], indirect=True)
def test_killed_in_the_middle_of_any_write_of_any_thread_nothing_is_lost(saver) -> None:
    outcomes = []
    while not outcomes or outcomes[-1][0]:
        folder, code = saver.strike(len(outcomes) + 1)
        outcomes.append((code, check(folder)))

    *struck, last = outcomes
    assert last == (0, 3)
    assert len(struck) >= 10
    assert set(struck) == {(-9, 2)}


@pytest.mark.parametrize("saver", [(), ("staged",)], indirect=True, ids=["small", "staged"])
def test_all_is_synced_before_the_rename_and_the_folder_after_it(saver) -> None:
    """So that a power cut leaves the old checkpoints or the new one."""
    folder, _, calls = saver.save("-e", "trace=openat,write,pwrite64,fsync,rename,unlink")

    mine = [line for line in calls.splitlines() if f"{folder}/ckpt" in line]
    kinds = [CALL.findall(line)[0] for line in mine]
    rename, unlink = kinds.index("rename"), kinds.index("unlink")
    last_write = max(i for i, kind in enumerate(kinds) if kind in ("write", "pwrite64"))
    syncs = [i for i, kind in enumerate(kinds) if kind == "fsync"]
    assert any(last_write < i < rename for i in syncs)
    of_folder = [
        i for i in syncs if re.search(rf"<{re.escape(str(folder))}/ckpt>\) += 0$", mine[i])
    ]
    assert any(rename < i < unlink for i in of_folder), "nothing is deleted before that is safe"
