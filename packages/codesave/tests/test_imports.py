"""Every way to import inside a codebase, beside the host's own modules."""

from __future__ import annotations

import importlib
import sys
import threading
from unittest import mock

import pytest

from codesave import UniqueCodebase

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
def test_imports_inside_a_codebase_find_its_own_modules(way, zipped, tree, monkeypatch, version):
    """A host package of the same name, imported already, makes no difference."""
    monkeypatch.syspath_prepend(tree({"src/__init__.py": "", "src/utils.py": "VALUE = 0"}))
    host = importlib.import_module("src.utils")
    source = WAYS[way]
    codebase = UniqueCodebase(zipped({**version(1), "src/__init__.py": "", "src/way.py": source}))

    module = codebase.import_module("src.way")

    assert module.u.VALUE == 1
    assert sys.modules["src.utils"] is host
    assert host.VALUE == 0


@pytest.mark.parametrize("prefix", ["'src.'", "prefix='src.'", "src.__name__ + '.'"])
def test_packages_are_walked_by_any_prefix(prefix, zipped):
    walk = f"""
        import pkgutil
        import src
        found = [module.name for module in pkgutil.walk_packages(src.__path__, {prefix})]
    """
    codebase = UniqueCodebase(
        zipped(
            {"src/__init__.py": "", "src/sub/__init__.py": "", "src/sub/a.py": "", "w.py": walk}
        )
    )

    found = codebase.import_module("w").found

    assert [name.partition(".src.")[2] for name in found] == ["sub", "sub.a"]


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


@pytest.mark.parametrize("place", ["/src", "/scripts/../src", "/nowhere", "/../.."])
def test_folders_that_code_puts_on_the_path_are_each_versions_own(place, zipped, monkeypatch):
    """Else the second version would get what the first one imported by the plain name."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    train = f"""
        import os, sys
        here = os.path.dirname(os.path.realpath(__file__))
        sys.path[:0] = [here + "{place}", here + "/src"]
        import inner_of_ours, inner_of_ours.core
        from inner_of_ours.core import number
        import inner_of_ours.core as core
        assert core is inner_of_ours.core
    """
    for version in (1, 2):
        files = {"src/inner_of_ours/__init__.py": "from .core import number", "scripts/a.py": ""}
        files |= {"src/inner_of_ours/core.py": f"number = {version}", "train.py": train}

        found = UniqueCodebase(zipped(files)).import_module("train")

        assert found.inner_of_ours.number == found.number == version
    assert "inner_of_ours" not in sys.modules


@pytest.mark.parametrize(
    "others",
    [
        {"lib.py": "raise SystemExit('ran')"},
        {"lib/__init__.py": "1 / 0"},
        {"lib/added_to_ours/data.txt": ""},
    ],
)
def test_modules_in_folders_on_the_path_are_found_whatever_lies_beside(
    others, zipped, monkeypatch
):
    """A module with the folder's name, an ``__init__`` that is of no use alone, or data."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    train = """
        import os, sys
        sys.path.append(os.path.join(os.path.dirname(__file__), "lib"))
        from added_to_ours import number
    """
    files = {"lib/added_to_ours.py": "number = 3", "train.py": train, **others}

    assert UniqueCodebase(zipped(files)).import_module("train").number == 3
    found = sys.modules.pop("added_to_ours", None)
    assert (found is None) == ("lib/added_to_ours/data.txt" in others)
