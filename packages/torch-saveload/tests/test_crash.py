"""Killed at any instant, the file holds the old model or the new one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_saveload import save_load

NET = """
import os, random, signal, sys, torch
from torch import nn
from torch_saveload import save_load

@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(50_000))

torch.set_num_threads(1)  # its threads do not survive a fork
model = Net()
"""

KILLS = """
rng = random.Random(0)
model.save("net.pth")
for _ in range(200):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        for value in range(10**6):
            model.w.data.fill_(value)
            model.save("net.pth")
            os.write(writer, b".")
    os.read(reader, 1)
    for _ in range(rng.randrange(200_000)):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader), os.close(writer)
    assert len(Net.load("net.pth").w.unique()) == 1
"""

RACE = """
for value in range(20):
    model.w.data.fill_(value)
    model.save("net.pth")
"""


@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(50_000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_200_killed_writers_leave_a_whole_file_and_nothing_else():
    subprocess.run([sys.executable, "-c", NET + KILLS], check=True)
    assert len(Net.load("net.pth").w.unique()) == 1
    Net().save("net.pth")
    assert [path.name for path in Path().iterdir() if path.name.endswith(".tmp")] == []


CLAIM = """
import sys
model.w.data.fill_(int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
try:
    model.save(sys.argv[2], overwrite=False)
except FileExistsError:
    sys.exit(3)
"""


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_of_several_that_do_not_overwrite_one_wins_also_without_assertions(name):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-O", "-c", NET + CLAIM]
    writers = [subprocess.Popen([*command, str(n), name], **pipes) for n in range(3)]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.close()
    codes = []
    for writer in writers:
        codes.append(writer.wait())
        writer.stdout.close()
    assert sorted(codes) == [0, 3, 3]
    assert Net.load(name).w.unique().tolist() == [codes.index(0)]


def test_several_processes_replace_one_file():
    writers = [subprocess.Popen([sys.executable, "-c", NET + RACE]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert Net.load("net.pth").w.unique().tolist() == [19]
