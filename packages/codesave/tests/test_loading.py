"""Importing from zips of code: one, several, beside the host's own modules."""

from __future__ import annotations

import builtins
import gc
import importlib
import io
import pickle
import sys
import threading
import weakref
from unittest import mock

import pytest

from codesave import Codebase, ImportHookWarning, UniqueCodebase, checkpoint
from codesave.errors import (
    CannotAssignError,
    CodebaseClosedError,
    DigestMismatchError,
    ModuleNotInCodebaseError,
    NotAZipError,
)

MODEL = """\
    import dataclasses
    import enum
    from src import utils
    from src.utils import VALUE as value

    class Net:
        weight = value
        def late(self):
            from src.lazy import name
            return name

    class Color(enum.Enum):
        RED = 1

    @dataclasses.dataclass
    class Config:
        size: "int" = 3
        parent: "Config | None" = None
"""


def version(number: int) -> dict[str, str]:
    return {
        "src/model.py": MODEL,
        "src/utils.py": f"VALUE = {number}\n",
        "src/lazy.py": f"name = 'lazy {number}'\n",
    }


@pytest.fixture
def one(zipped):
    return UniqueCodebase(zipped(version(1)))


@pytest.fixture
def two(zipped):
    return UniqueCodebase(zipped(version(2)))


# --- the documented calls ---


def test_two_versions_live_side_by_side(one, two):
    model_v1 = one.import_module("src.model")
    model_v2 = two.import_module("src.model")

    assert (model_v1.Net.weight, model_v2.Net.weight) == (1, 2)
    assert (model_v1.Net().late(), model_v2.Net().late()) == ("lazy 1", "lazy 2")
    assert not isinstance(model_v1.Net(), model_v2.Net)


def test_the_import_sugar_binds_names_in_a_module(one):
    namespace = {"__name__": "notebook", "codebase1": one}
    exec(
        "a = codebase1.import_('src.model')\n"
        "b = codebase1.import_('src.model', as_='model_v1')\n"
        "c = codebase1.from_import('src', ('model', 'utils'))\n"
        "d = codebase1.from_import('src', 'model', as_='model_v2')\n"
        "e = codebase1.from_import('src.model', 'Net')\n",
        namespace,
    )

    src, model = one.import_module("src"), one.import_module("src.model")
    assert namespace["a"] is namespace["src"] is src
    assert namespace["b"] is namespace["model_v1"] is model
    assert namespace["c"] == (namespace["model"], namespace["utils"])
    assert namespace["model"] is namespace["d"] is namespace["model_v2"] is model
    assert namespace["e"] is namespace["Net"] is model.Net


def test_in_a_function_the_result_can_be_used(one):
    model = one.import_("src.model", as_="model")
    net, color = one.from_import("src.model", ("Net", "Color"))

    assert (net, color) == (model.Net, model.Color)


def test_in_a_function_a_dropped_result_is_an_error_that_says_so(one):
    with pytest.raises(CannotAssignError, match="use what the call returns: model = codeb"):
        one.import_("src.model", as_="model")
    with pytest.raises(CannotAssignError, match="local variable Net, Color inside the function"):
        one.from_import("src.model", ("Net", "Color"))


def test_a_missing_name_is_an_import_error(one):
    with pytest.raises(ImportError, match="cannot import name 'nope' from 'src'"):
        _ = one.from_import("src", "nope")
    with pytest.raises(ValueError, match="names one thing, but 2"):
        _ = one.from_import("src", ("model", "utils"), as_="x")


def test_a_missing_module_is_an_error_that_lists_what_there_is(one):
    with pytest.raises(ModuleNotInCodebaseError, match=r"no module 'src\.nope'; it has: src"):
        one.import_module("src.nope")
    with pytest.raises(ModuleNotFoundError):
        one.import_module("numpy")


def test_a_codebase_is_used_by_plain_imports_again_and_again(zipped):
    for number in (1, 2, 1, 2):
        with Codebase(zipped(version(number))):
            from src import model
            from src.utils import VALUE

            assert model.Net.weight == VALUE == number
        assert not any(name.split(".")[0] == "src" for name in sys.modules)
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("src")


def test_a_codebase_can_be_opened_again(zipped):
    codebase = Codebase(zipped(version(1)))
    first = importlib.import_module("src.utils")
    codebase.close()
    codebase.close()

    with codebase as opened:
        again = importlib.import_module("src.utils")

    assert opened is codebase
    assert again is not first
    assert again.VALUE == 1


def test_what_a_closed_codebase_left_goes_on_working(zipped):
    with Codebase(zipped(version(1))):
        from src.model import Color, Net

    assert Net().late() == "lazy 1"
    assert pickle.loads(pickle.dumps(Color.RED)) is Color.RED


def test_a_closed_codebase_is_unloaded(zipped):
    with Codebase(zipped(version(1))) as codebase:
        module = importlib.import_module("src.model")
    gone = weakref.ref(module)
    del module
    gc.collect()

    assert gone() is None
    assert not any(name.startswith(codebase.library_name) for name in sys.modules)


def test_a_codebase_hides_the_hosts_modules_only_while_it_is_open(zipped, tree, monkeypatch):
    monkeypatch.syspath_prepend(tree({"src/__init__.py": "host = True\n"}, name="host"))
    host = importlib.import_module("src")

    with Codebase(zipped(version(1))):
        assert importlib.import_module("src") is not host

    assert sys.modules["src"] is host
    assert importlib.import_module("src") is host


def test_a_unique_codebase_is_a_context_manager(zipped):
    with UniqueCodebase(zipped(version(1))) as codebase:
        model = codebase.import_module("src.model")

    assert model.Net().late() == "lazy 1"
    with pytest.raises(CodebaseClosedError):
        codebase.import_module("src.model")


def test_the_same_zip_gives_the_same_modules(zipped):
    path = zipped(version(1))

    first, second = (UniqueCodebase(path).import_module("src.model") for _ in range(2))

    assert first is second


def test_its_names_can_be_listed(zipped):
    path = zipped({**version(1), "train.py": "", "docs/a.md": "", "__main__.py": ""})

    codebase = UniqueCodebase(path)

    assert codebase.valid_libraries == ["src", "train"]
    assert importlib.import_module(f"{codebase.library_name}.train").__name__.endswith("train")
    assert (codebase.folder / "docs/a.md").is_file()


@pytest.mark.parametrize("kind", [Codebase, UniqueCodebase])
def test_it_tells_its_modules_when_asked(kind, zipped, caplog):
    caplog.set_level("INFO", logger="codesave")
    path = zipped({**version(1), "train.py": ""})

    kind(path).close()
    assert caplog.messages == []

    kind(path, verbose=True).close()
    assert caplog.messages == [f"{path} has the modules: src, train"]


def test_a_zip_that_was_made_unique_long_ago_is_imported(tmp_path, zipped):
    """What codesave_library 0.0.4 wrote by ``create_unique_zip``: renamed imports, one package."""
    import zipfile

    prefix = "codebase_20230927210132"
    with zipfile.ZipFile(tmp_path / "unique.zip", "w") as archive:
        archive.writestr(f"{prefix}/src/model.py", f"import {prefix}.src.utils as u\nx = u.x\n")
        archive.writestr(f"{prefix}/src/utils.py", "x = 1\n")
        archive.writestr(f"{prefix}/src/__init__.py", "")
        archive.writestr(f"{prefix}/library_names.json", '["src"]')

    codebase = UniqueCodebase(tmp_path / "unique.zip", make_unique=False)

    assert codebase.import_module("src.model").x == 1
    assert codebase.valid_libraries == ["src"]
    assert importlib.import_module(f"{codebase.library_name}.src.utils").x == 1
    with pytest.raises(ValueError, match="has: src, train; leave make_unique out"):
        UniqueCodebase(zipped({**version(1), "train.py": ""}), make_unique=False)


# --- every way to import ---

WAYS = {
    "relative": "from . import utils as u\nfrom .utils import VALUE",
    "absolute": "import src.utils\nu = src.utils",
    "as": "import src.utils as u, src.lazy\nsrc.lazy.name",
    "from": "from src import utils as u",
    "star": "from src.utils import *\nassert VALUE == 1\nimport src\nu = src.utils",
    "multi-line": "from src import (\n    lazy,\n    utils as u,\n)",
    "conditional": "try:\n    import nowhere\nexcept ImportError:\n    import src.utils as u",
    "class body": "class A:\n    import src.utils as u\nu = A.u",
    "function": "def f():\n    import src.utils\n    return src.utils\nu = f()",
    "importlib": "import importlib\nu = importlib.import_module('src.utils')",
    "importlib, relative": "import importlib\nu = importlib.import_module('.utils', 'src')",
    "importlib, package": "import importlib\nu = importlib.import_module('.utils', __package__)",
    "importlib, keywords": "import importlib\nu = importlib.import_module(name='src.utils')",
    "from importlib": "from importlib import import_module as i\nu = i('src.utils')",
    "__import__": "u = __import__('src.utils').utils",
    "__import__, fromlist": "u = __import__('src.utils', globals(), locals(), ['VALUE'], 0)",
    "exec": "space = {}\nexec('import src.utils as u', space)\nu = space['u']",
    "exec, own name": "s = {'__name__': __name__}\nexec('import src.utils as u', s)\nu = s['u']",
    "lambda": "u = (lambda: __import__('src.utils').utils)()",
    "spec": "from importlib import util\nassert util.find_spec('src.lazy')\nimport src.utils as u",
    "pkgutil": "import pkgutil\nu = pkgutil.resolve_name('src.utils')",
    "text": "'''\nimport src.utils\n'''\nx = 'from src import y'\nimport src.utils as u",
}


@pytest.mark.parametrize("way", WAYS)
def test_imports_inside_a_codebase_find_its_own_modules(way, zipped, tree, monkeypatch):
    """A host package of the same name, imported already, makes no difference."""
    monkeypatch.syspath_prepend(tree({"src/__init__.py": "", "src/utils.py": "VALUE = 0"}))
    host = importlib.import_module("src.utils")
    source = WAYS[way]
    codebase = UniqueCodebase(zipped({**version(1), "src/__init__.py": "", "src/way.py": source}))

    module = codebase.import_module("src.way")

    assert module.u.VALUE == 1
    assert sys.modules["src.utils"] is host
    assert host.VALUE == 0


def test_a_relative_import_beyond_the_top_fails_as_in_a_plain_folder(zipped):
    codebase = UniqueCodebase(
        zipped({"src/up.py": "from .. import a", "top.py": "from . import a", "a.py": ""})
    )

    with pytest.raises(ImportError, match="beyond top-level package"):
        codebase.import_module("src.up")
    with pytest.raises(ImportError, match="no known parent package"):
        codebase.import_module("top")


def test_circular_imports_work(zipped):
    codebase = UniqueCodebase(
        zipped(
            {
                "pkg/__init__.py": "from pkg.a import A\n",
                "pkg/a.py": "import pkg.b\nimport pkg.b as b\nclass A: pass\n",
                "pkg/b.py": "import pkg.a\nimport pkg\nfrom pkg import a\n"
                "def late():\n    return pkg.a.A\n",
            }
        )
    )

    assert codebase.import_module("pkg.b").late() is codebase.import_module("pkg").A


def test_the_codebases_missing_module_is_not_taken_from_the_host(zipped, tree, monkeypatch):
    monkeypatch.syspath_prepend(tree({"src/__init__.py": "", "src/only_host.py": ""}, name="host"))
    importlib.import_module("src.only_host")
    source = """\
        try:
            import src.only_host
        except ModuleNotFoundError as error:
            name, text = error.name, str(error)
    """
    codebase = UniqueCodebase(zipped({"src/__init__.py": "", "src/a.py": source}))

    module = codebase.import_module("src.a")

    assert (module.name, module.text) == ("src.only_host", "No module named 'src.only_host'")


def test_a_missing_dependency_of_a_module_is_not_mistaken_for_the_module(zipped):
    codebase = UniqueCodebase(zipped({"a.py": "import not_installed_anywhere\n"}))

    with pytest.raises(ModuleNotFoundError, match="'not_installed_anywhere'"):
        codebase.import_module("a")


def test_third_party_modules_are_shared_with_the_host(zipped, tree, monkeypatch):
    monkeypatch.syspath_prepend(tree({"hostpkg.py": ""}, name="host"))
    codebase = UniqueCodebase(zipped({"a.py": "import json, hostpkg\n"}))

    module = codebase.import_module("a")

    assert module.json is sys.modules["json"]
    assert module.hostpkg is importlib.import_module("hostpkg")


def test_a_bare_folder_never_shadows_an_installed_package(zipped):
    codebase = UniqueCodebase(
        zipped({"json/notes.txt": "", "pytest/x.py": "", "a.py": "import json, pytest\n"})
    )

    module = codebase.import_module("a")

    assert module.json is sys.modules["json"]
    assert module.pytest is pytest


def test_a_module_shadows_an_installed_one_as_in_a_plain_folder(zipped):
    codebase = UniqueCodebase(zipped({"pytest.py": "own = 1\n", "a.py": "import pytest\n"}))

    assert codebase.import_module("a").pytest.own == 1


def test_namespace_packages_work(zipped):
    codebase = UniqueCodebase(
        zipped({"ns/inner/a.py": "from ns.inner.b import x\n", "ns/inner/b.py": "x = 1\n"})
    )

    assert codebase.import_module("ns.inner.a").x == 1


def test_other_encodings_and_broken_files_elsewhere_do_no_harm(zipped):
    codebase = UniqueCodebase(
        zipped(
            {
                "latin.py": "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"),
                "bom.py": b"\xef\xbb\xbfx = 1\n",
                "crlf.py": b"import latin\r\nx = '''a\r\nb'''\r\n",
                "python2.py": "print 'hello'\n",
                "broken.py": b"\xff\xfe\x00",
            }
        )
    )

    assert codebase.import_module("latin").x == "é"
    assert codebase.import_module("bom").x == 1
    assert codebase.import_module("crlf").x == "a\nb"
    with pytest.raises(SyntaxError):
        codebase.import_module("python2")


def test_data_files_lie_beside_the_code(zipped):
    source = """\
        import importlib.resources
        import pathlib
        import pkgutil
        beside = pathlib.Path(__file__).with_name("data.txt").read_text()
        resource = importlib.resources.files("src").joinpath("data.txt").read_text()
        package = importlib.resources.files(__package__).joinpath("data.txt").read_text()
        text = importlib.resources.files("src.sub").joinpath("d.txt").read_text()
        data = pkgutil.get_data("src", "data.txt")
    """
    data = {"src/data.txt": "x", "src/sub/d.txt": "y"}
    codebase = UniqueCodebase(zipped({"src/__init__.py": "", "src/a.py": source, **data}))

    module = codebase.import_module("src.a")

    assert (module.beside, module.resource, module.package, module.text) == ("x", "x", "x", "y")
    assert module.data == b"x"


def test_source_is_found_by_inspect(one):
    import inspect

    assert "def late(self):" in inspect.getsource(one.import_module("src.model").Net)


def test_modules_can_be_reloaded(one):
    module = one.import_module("src.utils")
    module.VALUE = 5

    assert importlib.reload(module) is module
    assert module.VALUE == 1


def test_string_annotations_resolve(one):
    import typing

    config = one.import_module("src.model").Config

    assert typing.get_type_hints(config)["parent"] == config | None


def test_a_patched_builtin_is_seen(zipped):
    codebase = UniqueCodebase(zipped({"a.py": "def read():\n    return open('x').read()\n"}))
    module = codebase.import_module("a")

    with mock.patch("builtins.open", mock.mock_open(read_data="patched")):
        assert module.read() == "patched"


def test_threads_may_import_at_once(zipped):
    chain = {f"m{i}.py": f"import m{i + 1}\nx = m{i + 1}.x\n" for i in range(30)}
    codebase = UniqueCodebase(zipped({**chain, "m30.py": "x = object()\n"}))
    barrier = threading.Barrier(8)
    found: list[object] = []

    def run(start: int) -> None:
        barrier.wait()
        found.append(codebase.import_module(f"m{start}").x)

    threads = [threading.Thread(target=run, args=(i * 3,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_codebase_may_hold_codesave_itself(zipped):
    from pathlib import Path

    import codesave

    package = Path(codesave.__file__).parent
    files = {
        f"codesave/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in package.rglob("*.py")
    }
    inner = UniqueCodebase(zipped(files)).import_module("codesave")
    path = zipped(version(1))

    assert inner is not codesave
    assert inner.UniqueCodebase(path).import_module("src.model").Net().late() == "lazy 1"
    assert UniqueCodebase(path).import_module("src.model").Net().late() == "lazy 1"


# --- the redirection itself ---


def test_the_redirection_comes_back_with_a_warning_if_it_was_replaced(one, monkeypatch):
    one.import_module("src.utils")
    monkeypatch.setattr(builtins, "__import__", importlib.__import__)

    with pytest.warns(ImportHookWarning, match="something replaced"):
        model = one.import_module("src.model")

    assert model.Net.weight == 1


def test_a_wrapper_that_calls_through_is_left_alone(one, monkeypatch):
    one.import_module("src.utils")
    seen: list[str] = []
    original = builtins.__import__

    def wrapper(name, *args, **kwargs):
        seen.append(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", wrapper)

    assert one.import_module("src.model").Net.weight == 1
    assert builtins.__import__ is wrapper
    assert "src" in seen


def test_host_imports_are_untouched(one):
    one.import_module("src.model")
    namespace = {"__name__": "host"}

    exec("import json.decoder, os.path as p\nfrom collections import abc", namespace)

    assert namespace["json"] is sys.modules["json"]
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'src'$"):
        exec("import src.model", namespace)


# --- pickles ---


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
def old_pickle(tree, python):
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


def test_old_pickles_are_read_inside_the_block_of_a_codebase(old_pickle, zipped):
    with Codebase(zipped(version(2))):
        net = pickle.loads(old_pickle)[0]

    assert net.weight == 2


def test_a_codebases_own_code_reads_old_pickles(old_pickle, zipped, tree, monkeypatch):
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


# --- which zip ---


def test_a_digest_can_be_pinned(zipped):
    import hashlib

    path = zipped(version(1))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    assert UniqueCodebase(path, digest=f"sha256:{digest}").import_module("src.utils").VALUE == 1
    assert UniqueCodebase(path, digest=digest).import_module("src.utils").VALUE == 1
    with pytest.raises(DigestMismatchError, match="nothing of it was run"):
        UniqueCodebase(path, digest="sha256:" + "0" * 64)
    with pytest.raises(DigestMismatchError), Codebase(path, digest="0" * 64):
        pass


def test_a_changed_zip_at_the_same_place_is_another_codebase(zipped):
    path = zipped(version(1))
    old = UniqueCodebase(path).import_module("src.model")
    path.write_bytes(zipped(version(2)).read_bytes())

    assert UniqueCodebase(path).import_module("src.model").Net().late() == "lazy 2"
    assert old.Net().late() == "lazy 1"


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip at all")

    with pytest.raises(NotAZipError, match="not a readable zip"):
        UniqueCodebase(tmp_path / "x.zip")
    with pytest.raises(FileNotFoundError):
        UniqueCodebase(tmp_path / "missing.zip")


def test_a_zip_of_another_program_is_imported_too(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("src/a.py", "import src.b\nx = src.b.x\n")
        archive.writestr("src/b.py", "x = 1\n")

    assert UniqueCodebase(tmp_path / "x.zip").import_module("src.a").x == 1


def test_a_codebase_may_lie_in_a_storage(tree, tmp_path):
    url = (tmp_path / "storage").as_uri() + "/codebase.zip"

    snapshot = checkpoint(tree(version(1)), url, verbose=False)

    assert snapshot.path == url
    assert (tmp_path / "storage/codebase.zip").stat().st_size == snapshot.zipped
    codebase = UniqueCodebase(url, digest=snapshot.digest)
    assert codebase.import_module("src.model").Net().late() == "lazy 1"
    with Codebase(url):
        assert importlib.import_module("src.utils").VALUE == 1
    with pytest.raises(FileNotFoundError):
        UniqueCodebase(url + "x")


def test_a_long_chain_of_opens_leaves_the_path_alone(zipped):
    before = list(sys.path)
    path = zipped(version(1))
    for _ in range(3):
        with Codebase(path):
            pass
        UniqueCodebase(path).close()

    assert sys.path == before


def test_errors_survive_pickling():
    from codesave import errors

    made = [
        errors.CannotAssignError(["a"], "f", "import_"),
        errors.CodebaseNotCachedError("00", "cache"),
        errors.DigestMismatchError("a.zip", "x", "y"),
        errors.HostileZipError("a.zip", "m", "is bad"),
        errors.ModuleNotInCodebaseError("m", "a.zip", ["b"]),
        errors.NotAFolderError("x"),
        errors.NotAZipError("a.zip", "bad"),
        errors.NotInWandbRunError("r", "w", ["a"]),
        errors.NoWandbRunError(),
        errors.CodebaseClosedError("a.zip"),
        errors.UnsafeCacheError("c"),
    ]

    for error in made:
        again = pickle.load(io.BytesIO(pickle.dumps(error)))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
