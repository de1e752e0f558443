"""Plain imports for the length of a ``with Codebase(zip)`` block, and what is left after it."""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import pickle
import sys
import weakref
from pathlib import Path

import pytest

from codesave import Codebase, UniqueCodebase, checkpoint


def test_a_codebase_is_used_by_plain_imports_again_and_again(zipped, version):
    for number in (1, 2, 1, 2):
        with Codebase(zipped(version(number))):
            from src import model
            from src.utils import VALUE

            assert model.Net.weight == VALUE == number
        assert not any(name.split(".")[0] == "src" for name in sys.modules)
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("src")


def test_a_codebase_can_be_opened_again(zipped, version):
    codebase = Codebase(zipped(version(1)))
    first = importlib.import_module("src.utils")
    codebase.close()
    codebase.close()

    with codebase as opened:
        again = importlib.import_module("src.utils")

    assert opened is codebase
    assert again is not first
    assert again.VALUE == 1


def test_what_a_closed_codebase_left_goes_on_working(zipped, version):
    with Codebase(zipped(version(1))):
        from src.model import Color, Net

    assert Net().late() == "lazy 1"
    assert pickle.loads(pickle.dumps(Color.RED)) is Color.RED


def test_modules_may_come_while_garbage_is_collected(zipped, version):
    """What is collected may import, at the creation of any object."""
    path, added = zipped(version(1)), itertools.count()
    threshold = gc.get_threshold()

    def come(phase: str, _: object) -> None:
        if phase == "stop":
            sys.modules[f"passing_{next(added)}"] = sys

    gc.callbacks.append(come)
    gc.set_threshold(1)
    try:
        with Codebase(path):
            from src.utils import VALUE
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(come)
        for i in range(next(added)):
            del sys.modules[f"passing_{i}"]

    assert VALUE == 1


def test_a_closed_codebase_is_unloaded(zipped, version):
    with Codebase(zipped(version(1))) as codebase:
        module = importlib.import_module("src.model")
    gone = weakref.ref(module)
    del module
    gc.collect()

    assert gone() is None
    assert not any(name.startswith(codebase.library_name) for name in sys.modules)


def test_a_codebase_hides_the_hosts_modules_only_while_it_is_open(
    zipped, tree, monkeypatch, version
):
    monkeypatch.syspath_prepend(tree({"src/__init__.py": "host = True\n"}, name="host"))
    host = importlib.import_module("src")

    with Codebase(zipped(version(1))):
        assert importlib.import_module("src") is not host

    assert sys.modules["src"] is host
    assert importlib.import_module("src") is host


def test_a_long_chain_of_opens_leaves_the_path_alone(zipped, version):
    before = list(sys.path)
    path = zipped(version(1))
    for _ in range(3):
        with Codebase(path):
            pass
        UniqueCodebase(path).close()

    assert sys.path == before


def test_other_code_imports_from_a_package_that_is_being_imported(zipped, tree, monkeypatch):
    """As in a plain folder; compiled modules of a codebase import like other code, too."""
    hosts = tree(
        {"hostpkg.py": "from src import early\nfrom src.config import SIZE\n"}, name="host"
    )
    monkeypatch.syspath_prepend(str(hosts))
    files = {"src/__init__.py": "early = 1\nimport hostpkg\n", "src/config.py": "SIZE = 3\n"}

    with Codebase(zipped(files)):
        import src

        assert sys.modules["hostpkg"].SIZE == src.config.SIZE == 3
        assert src.__spec__.name.endswith(".src")


def test_a_package_that_fails_while_other_code_imports_from_it_is_not_left_there(
    zipped, tree, monkeypatch
):
    hosts = tree({"hostpkg.py": "from src import early\n"}, name="host")
    monkeypatch.syspath_prepend(str(hosts))

    with Codebase(zipped({"src/__init__.py": "early = 1\nimport hostpkg\n1 / 0\n"})):
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                import src  # noqa: F401
        assert "src" not in sys.modules


def test_codebases_may_be_closed_in_any_order(zipped, version, tree, monkeypatch):
    monkeypatch.syspath_prepend(tree({"src/__init__.py": "VALUE = 0\n"}, name="host"))
    host = importlib.import_module("src")
    first = Codebase(zipped(version(1)))
    assert importlib.import_module("src.utils").VALUE == 1
    second = Codebase(zipped({**version(2), "models.py": ""}))
    two = importlib.import_module("src.utils")
    third = Codebase(zipped({"models.py": "x = 3\n"}))
    three = importlib.import_module("models")

    first.close()
    assert importlib.import_module("src.utils") is two
    second.close()
    assert importlib.import_module("models") is three
    assert importlib.import_module("src") is host
    third.close()

    assert "models" not in sys.modules
    assert sys.modules["src"] is host


def test_the_block_may_end_by_an_error(zipped, version):
    def use():
        with Codebase(zipped(version(1))):
            importlib.import_module("src.model")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()

    assert "src" not in sys.modules


def test_the_running_program_stays_main_in_the_block(zipped, python):
    """Workers are started by its name, and the zip has a ``__main__.py`` too."""
    code = """if True:
        import multiprocessing, sys
        from codesave import Codebase
        if __name__ == "__main__":
            with Codebase(sys.argv[1]):
                import __main__
                from work import double, run
                assert __main__.code is code
                print(run())
            print(run())
    """
    source = """\
        import multiprocessing
        def double(x):
            return 2 * x
        def run():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return pool.map(double, [1, 2])
    """
    path = zipped({"work.py": source})

    assert python(str(path), code=f"code = {code!r}\nexec(code)") == "[2, 4]\n[2, 4]\n"


KEPT = """\
    import dataclasses
    import typing

    @dataclasses.dataclass
    class Config:
        size: "typing.Optional[int]" = 3

    def define():
        @dataclasses.dataclass
        class Inner:
            name: "str" = "a"
        return Inner()
"""


def test_kept_classes_are_whole_after_the_block(zipped):
    """Libraries look for a class's module in ``sys.modules``."""
    import inspect
    import typing

    with Codebase(zipped({"kept.py": KEPT})):
        from kept import Config, define

    for _ in range(2):
        assert typing.get_type_hints(Config) == {"size": int | None}
        assert "size:" in inspect.getsource(Config)
        assert define().name == "a"
        gc.collect()


def test_what_is_kept_of_many_codebases_stays_apart(zipped):
    kept = []
    for number in range(3):
        with Codebase(zipped({"kept.py": f"class A: x = {number}\ndef new(): return A().x\n"})):
            kept.append(importlib.import_module("kept").new)
        gc.collect()

    assert [new() for new in kept] == [0, 1, 2]
    assert "kept" not in sys.modules


def test_large_files_are_unpacked_whole_whatever_threads_do(tree, tmp_path, monkeypatch):
    """Some versions of zipfile mix up places when several threads open members with extras."""
    files = {f"data{i}.bin": os.urandom(5 << 20) for i in range(8)}
    folder = tree({"a.py": "x = 1\n"})
    for name, data in files.items():
        (folder / name).write_bytes(data)
    checkpoint(folder, tmp_path / "o.zip", verbose=False, ignore_larger_than=None)

    for i in range(3):
        monkeypatch.setenv("CODESAVE_CACHE", str(tmp_path / f"cache{i}"))
        module = Path(UniqueCodebase(tmp_path / "o.zip").import_module("a").__file__)
        assert {name: module.with_name(name).read_bytes() for name in files} == files


def test_modules_that_are_other_objects_are_unloaded_too(zipped):
    odd = """
        import sys
        class Odd:
            __slots__ = ()
            value = 3
        sys.modules[__name__] = {}
    """
    files = {"slots.py": odd.format("Odd()"), "a_class.py": odd.format("Odd"), "src.py": ""}

    with Codebase(zipped(files)) as codebase:
        import a_class
        import slots
        import src

        assert slots.value == a_class.value == 3
        kept = weakref.ref(src)
    del slots, a_class, src
    gc.collect()
    gc.collect()

    assert kept() is None
    assert not any(name.startswith(codebase.library_name) for name in sys.modules)
