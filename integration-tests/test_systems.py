"""The main walk of each package, as far as Linux can play macOS and Windows (:mod:`systems`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is another system itself")

WALKS = {
    "expcore": """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        import expcore

        storage = expcore.LocalStorage("store")
        storage.write("a/large", bytes(20 << 20))
        reader = storage.open_read("a/large")
        threading.Timer(0.05, reader.close).start()
        storage.upload("walk.py", "a/large")
        assert storage.read("a/large") == Path("walk.py").read_bytes()
        try:
            storage.write("a", b"")
        except expcore.InvalidKey:
            pass
        else:
            raise AssertionError("the start of other keys is no key")
        def write(number):
            storage.write("race", b"%d" % number)
            expcore.sweep("store")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(200)))
        memory = expcore.MemoryStorage()
        expcore.sync_up("store", memory, "runs/1")
        assert expcore.sync_down(memory, "runs/1", "back").sent == ("a/large", "race")
        assert expcore.digest_tree("back") == expcore.digest_tree("store")
        storage.delete("a/large")
        assert [stat.key for stat in storage.list()] == ["race"]
    """,
    "codesave": """
        from pathlib import Path
        import codesave

        Path("code").mkdir()
        for number in (1, 2):
            Path("code", "model.py").write_bytes(b"value = %d\\r\\n" % number)
            codesave.checkpoint("code", "code.zip", verbose=False)  # over the one before
            codebase = codesave.UniqueCodebase("code.zip")
            assert codebase.import_module("model").value == number
            assert Path(codebase.import_module("model").__file__).read_bytes().endswith(b"\\r\\n")
    """,
    "persist_to_disk": """
        import struct
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        import numpy as np
        import persist_to_disk as ptd
        from persist_to_disk._cli import main

        @ptd.persistf(max_bytes=40_000_000, switch_kwarg="switch")
        def work(x, size=1):
            return np.full(size, x)

        for size in (1, 1 << 18):
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda x: work(x % 10, size)[0], range(40)))
            assert found == [x % 10 for x in range(40)]
        held = work(3, 1 << 18)
        assert work(3, 1 << 18, switch=ptd.RECACHE)[-1] == held[-1] == 3
        assert main(["verify"]) == main(["gc"]) == main(["ls"]) == main(["stats"]) == 0
        ptd.manual_cache("key", [1], write=True)
        assert ptd.manual_cache("key") == [1]
        assert ptd.clear_locks(True)
        assert work(4)[0] == 4
    """,
    "savethat": """
        from dataclasses import dataclass
        import savethat

        @dataclass(frozen=True)
        class Args:
            x: int

        class Double(savethat.Node[Args, int]):
            def _run(self):
                print(self.args.x)
                (self.output_dir / "file.txt").write_text("written")
                return 2 * self.args.x

        storage = savethat.Storage("runs")
        for x in (1, 2, 3):
            node = savethat.create_node(Double, {"x": x}, storage=storage)
            assert node.run() == 2 * x
            assert storage.load_results(node.key) == 2 * x
        assert len(storage.find_runs(only_completed=True)) == 3
        storage.remove(node.key)
        assert len(storage.find_runs()) == 2
    """,
    "ckpt": """
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        import numpy as np
        import ckpt

        def variables(value):
            return ckpt.VarCollection({"w": np.full(2_000_000, value), "b": np.full(3, value)})

        checkpoint = ckpt.Checkpoint("logs", keep_ckpts=2, verbose=False)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda i: checkpoint.save(variables(float(i)), i % 5), range(15)))
        with ckpt.Checkpoint("logs", keep_ckpts=2, verbose=False, background=True) as later:
            later.save(variables(9.0), 9)
        found = variables(0.0)
        assert checkpoint.restore(found)[0] == 9
        assert found["w"].value[-1] == found["b"].value[0] == 9
        with checkpoint.on_preempt(lambda: None) as stop:
            assert not stop()
        class Plain(ckpt.Checkpoint):
            @staticmethod
            def SAVE_FN(file, vc):
                Path(file).write_text(str(vc["b"].value[0]))
        Plain("plain", keep_ckpts=1).save(found, 1)
    """,
    "torch_saveload": """
        import torch
        from torch_saveload import save_load

        @save_load(version="1.0")
        class Net(torch.nn.Module):
            def __init__(self, width):
                super().__init__()
                self.layer = torch.nn.Linear(width, width)

        model = Net(400)
        for name in ("net.pth", "net.safetensors"):
            for _ in range(2):
                model.save(name)
                model = Net.load(name)  # and it is saved over the file that it is from
        model.save("set.safetensors", max_shard_size="200KB")
        assert torch.equal(Net.load("set.safetensors").layer.weight, model.layer.weight)
    """,
}


@pytest.mark.parametrize("system", ["darwin", "win32"])
@pytest.mark.parametrize("package", WALKS)
def test_a_package_does_its_work_with_what_the_system_has(package, system, tmp_path) -> None:
    pytest.importorskip("mypy")
    walk = tmp_path / "walk.py"
    walk.write_text(f"import systems\nsystems.become({system!r})\n{dedent(WALKS[package])}")
    env = {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-W", "error::ResourceWarning", walk]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
