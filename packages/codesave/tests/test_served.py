"""Libraries that import by a name what a codebase asks them for get the codebase's own."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from codesave import UniqueCodebase

SERVED = {
    "logging.config": """
        import logging, logging.config
        config = {"class": "src.own.Handler"}
        whole = {"version": 1, "disable_existing_loggers": False, "handlers": {"h": config}}
        logging.config.dictConfig(whole)
        logger = logging.config.DictConfigurator({}).resolve("src.own.Handler")
        found = logger.__module__
    """,
    "unittest.loader": """
        import unittest
        suite = unittest.defaultTestLoader.loadTestsFromName("src.own.Test")
        found = type(next(iter(suite))).__module__
    """,
    "unittest.mock": """
        from unittest import mock
        import src.own
        with mock.patch("src.own.value", "patched"):
            assert src.own.value == "patched"
        found = src.own.__name__
    """,
    "pydoc": """
        import pydoc
        found = pydoc.locate("src.own").__name__
    """,
    "doctest": """
        import doctest, src.own
        assert doctest.testmod(src.own).attempted == 1
        found = src.own.__name__
    """,
    "runpy": """
        import runpy
        found = runpy.run_module("src.main", run_name="__main__")["name"]
    """,
}
OWN = '''
    """An example.

    >>> value
    'own'
    """
    import logging, unittest
    value = "own"

    class Handler(logging.Handler): ...

    class Test(unittest.TestCase):
        def test(self): ...
'''
MAIN = """
    import importlib
    from src.own import value
    assert __name__ == "__main__"
    name = importlib.import_module("src.own").__name__
    print(name)
"""


@pytest.fixture
def files(tree, monkeypatch):
    """A codebase whose package the host has too, imported already."""
    other = {"src/__init__.py": "", "src/own.py": "value = 'host'\nHandler = Test = int\n"}
    monkeypatch.syspath_prepend(tree(other, name="host"))
    importlib.import_module("src.own")
    return {"src/__init__.py": "", "src/own.py": OWN, "src/main.py": MAIN}


@pytest.mark.parametrize("library", SERVED)
def test_a_library_imports_the_codebases_own_module_for_it(library, zipped, files):
    codebase = UniqueCodebase(zipped({**files, "src/ask.py": SERVED[library]}))

    assert codebase.import_module("src.ask").found == f"{codebase.library_name}.src.own"


@pytest.mark.parametrize("early", [True, False])
def test_logging_config_is_served_whenever_it_was_imported(early, zipped, files, python):
    path = zipped({**files, "ask.py": SERVED["logging.config"]})
    code = f"""if True:
        import sys
        {"import logging.config" if early else ""}
        from codesave import UniqueCodebase
        print(UniqueCodebase(sys.argv[1]).import_module("ask").found)
    """

    assert python(str(path), code=code).endswith(".src.own\n")


def test_a_codebases_module_runs_as_main(zipped, files):
    codebase = UniqueCodebase(zipped(files))

    done = subprocess.run(
        [sys.executable, "-m", f"{codebase.library_name}.src.main"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == f"{codebase.library_name}.src.own\n", done.stderr


def test_templates_are_found_by_the_name_of_a_package_of_the_codebase(zipped):
    pytest.importorskip("jinja2")
    load = """
        import jinja2
        loader = jinja2.PackageLoader("src", "pages")
        page = jinja2.Environment(loader=loader, autoescape=True).get_template("a.html").render()
    """
    files = {"src/__init__.py": "", "src/pages/a.html": "hello", "src/web.py": load}

    assert UniqueCodebase(zipped(files)).import_module("src.web").page == "hello"
