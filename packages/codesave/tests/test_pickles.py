"""Objects of codebases in pickles: here, in another process, in another version."""

from __future__ import annotations

import importlib
import io
import multiprocessing
import pickle

import pytest

from codesave import Codebase, UniqueCodebase


def test_objects_are_pickled_and_found_again_in_a_fresh_process(one, python, tmp_path):
    model = one.import_module("src.model")
    objects = [model.Net(), model.Color.RED, model.Config(size=5), model.Net]
    (tmp_path / "objects.pickle").write_bytes(pickle.dumps(objects))

    loaded = pickle.loads(pickle.dumps(objects))
    code = """if True:
        import pickle, sys
        net, color, config, cls = pickle.load(open(sys.argv[1], "rb"))
        print(net.weight, net.late(), color.name, config.size, type(net) is cls)
    """

    assert [type(x) for x in loaded] == [type(x) for x in objects]
    assert loaded[1] is model.Color.RED
    out = python(str(tmp_path / "objects.pickle"), code=code)
    assert out.split() == ["1", "lazy", "1", "RED", "5", "True"]


def test_a_pickle_whose_codebase_is_not_cached_names_its_digest(one, python, tmp_path):
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(one.import_module("src.model").Net()))
    code = """if True:
        import pickle, sys
        try:
            pickle.load(open(sys.argv[1], "rb"))
        except ModuleNotFoundError as error:
            print(type(error).__name__, error)
    """

    out = python(str(tmp_path / "net.pickle"), code=code, CODESAVE_CACHE=str(tmp_path / "other"))

    key = one.library_name.rpartition(".")[2]
    assert out.startswith("CodebaseNotCachedError the codebase whose sha256 begins with " + key)
    assert "open its zip once on this machine" in out


def test_spawned_workers_find_the_code(one, python, tmp_path):
    code = """if True:
        import multiprocessing, sys
        from codesave import UniqueCodebase
        net = UniqueCodebase(sys.argv[1]).import_module("src.model").Net()
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(net.late))
    """

    assert python(one.zip_name, code=code).strip() == "lazy 1"


@pytest.fixture
def old_pickle(tree, python, version):
    """Bytes that a plain folder's training script pickled, naming src.model.Net."""
    folder = tree(version(1), name="then")
    code = """if True:
        import pickle, sys
        sys.path.insert(0, sys.argv[1])
        from src.model import Net, Color
        sys.stdout.write(pickle.dumps([Net(), Color.RED, len]).hex())
    """
    return bytes.fromhex(python(str(folder), code=code))


def test_old_pickles_are_read_for_a_codebase(old_pickle, one, two):
    for codebase, weight in ((one, 1), (two, 2)):
        net, color, builtin = codebase.loads(old_pickle)

        assert type(net) is codebase.import_module("src.model").Net
        assert net.weight == weight
        assert color is codebase.import_module("src.model").Color.RED
        assert builtin is len


def test_old_pickles_are_read_inside_the_block_of_a_codebase(old_pickle, zipped, version):
    with Codebase(zipped(version(2))):
        net = pickle.loads(old_pickle)[0]

    assert net.weight == 2


def test_a_codebases_own_code_reads_old_pickles(old_pickle, zipped, tree, monkeypatch, version):
    """Also where the host has modules of these names."""
    monkeypatch.syspath_prepend(tree({"src/__init__.py": "", "src/model.py": "Net = 1"}, "host"))
    importlib.import_module("src.model")
    source = """\
        import io
        import pickle
        class Own(pickle.Unpickler):
            def find_class(self, module, name):
                return super().find_class(module, name)

        def read(data):
            yield pickle.load(io.BytesIO(data))
            yield pickle.loads(data)
            for unpickler in (pickle.Unpickler, pickle._Unpickler, Own):
                yield unpickler(io.BytesIO(data)).load()
    """
    codebase = UniqueCodebase(zipped({**version(1), "src/__init__.py": "", "read.py": source}))

    for objects in codebase.import_module("read").read(old_pickle):
        assert type(objects[0]) is codebase.import_module("src.model").Net
    assert pickle.Unpickler(io.BytesIO(b"csrc.model\nNet\n.")).load() == 1  # for the host, its own


def test_a_library_that_takes_a_pickle_module_reads_old_pickles(old_pickle, one):
    module = one.pickle_module

    class Wrapper(module.Unpickler):
        pass

    assert Wrapper(io.BytesIO(old_pickle)).load()[0].weight == 1
    assert module.load(io.BytesIO(old_pickle))[0].weight == 1
    assert module.loads(module.dumps([1])) == [1]


def test_two_versions_exchange_objects(zipped, version):
    source = """\
        from src import utils
        class Net:
            weight = utils.VALUE
            def __init__(self, other=None):
                self.other = other
            def both(self):
                return utils.VALUE, self.other.weight, self.other.late()
            def late(self):
                from src.lazy import name
                return name
    """
    one, two = (
        UniqueCodebase(zipped({**version(n), "src/net.py": source})).import_module("src.net")
        for n in (1, 2)
    )
    net = one.Net(two.Net(one.Net()))

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(net, protocol))
        assert (again.both(), again.other.both()) == ((1, 2, "lazy 2"), (2, 1, "lazy 1"))
        assert [type(x) for x in (again, again.other)] == [one.Net, two.Net]


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_a_codebases_own_code_starts_workers(start, zipped, python):
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} here")
    source = """\
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from src.utils import VALUE
        def times(x):
            return VALUE * x
        def run(start):
            context = multiprocessing.get_context(start)
            with context.Pool(1) as pool:
                first = pool.map(times, [1, 2])
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                return first + list(pool.map(times, [3]))
    """
    path = zipped({"src/work.py": source, "src/utils.py": "VALUE = 10\n"})
    code = """if True:
        import sys
        from codesave import UniqueCodebase
        if __name__ == "__main__":
            print(UniqueCodebase(sys.argv[1]).import_module("src.work").run(sys.argv[2]))
    """

    assert python(str(path), start, code=code) == "[10, 20, 30]\n"


def test_a_hosts_objects_are_pickled_inside_a_codebase(zipped, tree, monkeypatch):
    """Their class has a package whose name is one of the codebase's own."""
    host = tree({"src/__init__.py": "class A: pass\n", "src/host.py": "class B: pass\n"}, "host")
    monkeypatch.syspath_prepend(host)
    first, second = importlib.import_module("src").A, importlib.import_module("src.host").B
    source = "import pickle\ndef dump(x, protocol):\n    return pickle.dumps(x, protocol)\n"
    codebase = UniqueCodebase(zipped({"src/__init__.py": "", "src/a.py": source}))
    dump = codebase.import_module("src.a").dump

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert type(pickle.loads(dump(first(), protocol))) is first
        assert type(pickle.loads(dump(second(), protocol))) is second
