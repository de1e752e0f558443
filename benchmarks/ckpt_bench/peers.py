"""Who is measured: each saves durably to a path, loads all, and loads one array."""

# ruff: noqa: D101, D102
from __future__ import annotations

import mmap
import os
import random
import shutil
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Arrays = dict[str, np.ndarray]
STAGE, BLOCK, THREADS = 8 << 20, 4096, 3
TURNS = 9
"""Arrays that are loaded one at a time, each another; and saves, of what takes little time."""
LITTLE = 100_000_000
"""Bytes; a save of fewer is soon done, and one alone says little of a disk that others share."""


class Peer(Protocol):
    """The seconds that each takes; of loading one array, by each way that there is for it."""

    def save(self, path: Path) -> float: ...
    def load(self, path: Path) -> float: ...
    def one(self, path: Path) -> dict[str, float]: ...
    def delete(self, path: Path) -> None: ...
    def close(self) -> None: ...


def files(path: Path) -> list[Path]:
    return [each for each in [path, *path.rglob("*")] if each.is_file()]


def sync(path: Path) -> None:
    for each in [path, *path.rglob("*"), path.parent]:
        descriptor = os.open(each, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def drop_from_cache(path: Path) -> None:
    for each in files(path):
        descriptor = os.open(each, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def seconds(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    kept = do()
    taken = time.perf_counter() - begin
    del kept
    return taken


class Here:
    """A peer in this process."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.names = list(arrays)

    def write(self, path: Path) -> None:
        raise NotImplementedError

    def read(self, path: Path) -> object:
        raise NotImplementedError

    def read_one(self, path: Path, name: str) -> object:
        raise NotImplementedError

    def ways(self) -> dict[str, Callable[[Path, str], object]]:
        return {"one": self.read_one}

    def save(self, path: Path) -> float:
        turns = TURNS if sum(a.nbytes for a in self.arrays.values()) < LITTLE else 1
        taken: list[float] = []
        for turn in range(turns):
            if turn:
                self.delete(path)
            taken.append(seconds(lambda: self.write(path)))
        return statistics.median(taken)

    def load(self, path: Path) -> float:
        return seconds(lambda: self.read(path))

    def one(self, path: Path) -> dict[str, float]:
        some = random.sample(self.names, TURNS)
        return {
            way: statistics.median(seconds(partial(read, path, name)) for name in some)
            for way, read in self.ways().items()
        }

    def delete(self, path: Path) -> None:
        path.unlink()

    def close(self) -> None:
        pass


class Raw(Here):
    """As many bytes from aligned memory, past the page cache: the limit."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__(arrays)
        self.size = -(-sum(a.nbytes for a in arrays.values()) // BLOCK) * BLOCK
        self.buffers = [mmap.mmap(-1, STAGE, mmap.MAP_PRIVATE) for _ in range(THREADS)]
        for buffer in self.buffers:
            buffer.madvise(mmap.MADV_HUGEPAGE)
            buffer[:] = os.urandom(STAGE)

    def write(self, path: Path) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECT)
        os.posix_fallocate(descriptor, 0, self.size)

        def write(at: int) -> None:
            buffer = memoryview(self.buffers[at // STAGE % THREADS])
            os.pwrite(descriptor, buffer[: min(STAGE, self.size - at)], at)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(write, range(0, self.size, STAGE)))
        os.close(descriptor)
        sync(path)

    def read(self, path: Path) -> object:
        return path.read_bytes()

    def read_one(self, path: Path, name: str) -> object:
        with path.open("rb", buffering=0) as file:
            file.seek(self.names.index(name) * self.arrays[name].nbytes)
            return file.read(self.arrays[name].nbytes)


class Ours(Here):
    def __init__(self, arrays: Arrays) -> None:
        import ckpt

        super().__init__(arrays)
        self.ckpt, self.vc = ckpt, ckpt.VarCollection(arrays)

    def write(self, path: Path) -> None:
        self.ckpt.save_var_collection(path, self.vc)

    def read(self, path: Path) -> object:
        return self.ckpt.load_var_collection(path, self.vc)

    def read_one(self, path: Path, name: str, **options: bool) -> object:
        with self.ckpt.load(path, **options) as file:
            return file[name]

    def ways(self) -> dict[str, Callable[[Path, str], object]]:
        return {
            "one": self.read_one,
            "one, mapped": partial(self.read_one, mapped=True),
            "one, mapped, not verified": partial(self.read_one, mapped=True, verify=False),
        }


class Numpy(Here):
    def write(self, path: Path) -> None:
        with path.open("wb") as file:  # a path would get .npz appended
            np.savez(file, **self.arrays)
        sync(path)

    def read(self, path: Path) -> object:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}

    def read_one(self, path: Path, name: str) -> object:
        with np.load(path) as file:
            return file[name]


class Safetensors(Here):
    def write(self, path: Path) -> None:
        from safetensors.numpy import save_file

        save_file(self.arrays, path)
        sync(path)

    def read(self, path: Path) -> object:
        from safetensors.numpy import load_file

        return load_file(path)

    def read_one(self, path: Path, name: str) -> object:
        from safetensors import safe_open

        with safe_open(path, "numpy") as file:
            return file.get_tensor(name)


class Torch(Here):
    def __init__(self, arrays: Arrays) -> None:
        import torch

        super().__init__(arrays)
        self.torch: Any = torch
        self.tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def write(self, path: Path) -> None:
        self.torch.save(self.tensors, path)
        sync(path)

    def read(self, path: Path) -> object:
        return self.torch.load(path, weights_only=True)

    def read_one(self, path: Path, name: str) -> object:
        return self.torch.load(path, weights_only=True, mmap=True)[name].clone()


class Elsewhere:
    """A peer in a Python of its own, given like arrays."""

    def __init__(self, name: str, python: str, count: int, size: int) -> None:
        script = Path(__file__).with_name("elsewhere.py")
        self.process = subprocess.Popen(
            [python, script, name, str(count), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )

    def _ask(self, verb: str, path: Path) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{verb} {path}\n")
        self.process.stdin.flush()
        return float(
            next(line for line in self.process.stdout if line.startswith("=")).strip("=\n")
        )

    def save(self, path: Path) -> float:
        return self._ask("save", path)

    def load(self, path: Path) -> float:
        return self._ask("load", path)

    def one(self, path: Path) -> dict[str, float]:
        del path  # neither has a call for it
        return {"one": float("nan")}

    def delete(self, path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


LOCAL: dict[str, Callable[[Arrays], Peer]] = {
    "raw": Raw,
    "ckpt": Ours,
    "numpy": Numpy,
    "safetensors": Safetensors,
    "torch": Torch,
}
