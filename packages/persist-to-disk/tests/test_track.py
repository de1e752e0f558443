"""track="closure": by which ways helper functions are found, and when they count anew."""

from __future__ import annotations

import importlib
import linecache
import sys

import pytest

import persist_to_disk as ptd

DECORATOR = """
import functools
def times(function):
    @functools.wraps(function)
    def wrapper(x):
        return function(x) + 1
    return wrapper
"""

# What `helpers.py` has, and what a function of the project calls.
WAYS = {
    "a function": ("def g(x): return x + 1", "from helpers import g as h", "h(x)"),
    "of a module": ("def g(x): return x + 1", "import helpers", "helpers.g(x)"),
    "a lambda": ("g = lambda x: x + 1", "from helpers import g", "g(x)"),
    "recursion": ("def a(x): return b(x)\ndef b(x): return x + 1 if x else a(1)",
                  "from helpers import a", "a(x)"),
    "a method": ("class A:\n def g(self, x): return x + 1", "from helpers import A", "A().g(x)"),
    "of an object": ("class A:\n def __call__(self, x): return x + 1\na = A()",
                     "from helpers import a", "a(x)"),
    "a property": ("def g(): return 0 + 1\nclass A:\n @property\n def p(self): return g()",
                   "from helpers import A", "A().p"),
    "a base class": ("class A:\n def g(self, x): return x + 1",
                     "import helpers\nclass B(helpers.A): pass", "B().g(x)"),
    "partial": ("import functools\ndef g(y, x): return x + 1\nh = functools.partial(g, 2)",
                "from helpers import h", "h(x)"),
    "a decorator": (DECORATOR, "import helpers\n@helpers.times\ndef g(x): return x", "g(x)"),
    "behind a decorator": ("def g(x): return x + 1\ndef plain(f):\n def w(x): return f(x)\n"
                           " return w\n@plain\ndef h(x): return g(x)",
                           "from helpers import h", "h(x)"),
    "lru_cache": ("import functools\n@functools.cache\ndef g(x): return x + 1",
                  "from helpers import g", "g(x)"),
    "persistf": ("import persist_to_disk as ptd\n@ptd.persistf()\ndef g(x): return x + 1",
                 "from helpers import g", "g(x)"),
    "a default": ("def g(x): return x + 1\ndef h(x, f=g): return f(x)",
                  "from helpers import h", "h(x)"),
    "within a body": ("def g(x): return x + 1", "from helpers import g", "[g(x) for _ in (1,)]"),
}  # fmt: skip


@pytest.fixture
def write(project, monkeypatch):
    """Write a file of the project, as a new process would find it."""
    monkeypatch.syspath_prepend(project)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(path, text):
        file = project / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        for name in {"helpers", "package", "package.helpers"} & {*sys.modules}:
            del sys.modules[name]
        importlib.invalidate_caches()
        linecache.clearcache()

    return write


def tracked(imports, expression):
    lines = [*imports.splitlines(), "@ptd.persistf(track='closure')", "def f(x):"]
    return "\n".join([*lines, f"    return {expression}"])


@pytest.mark.parametrize("way", WAYS)
def test_a_helper_counts_however_it_is_reached(load, write, way):
    source, imports, expression = WAYS[way]

    def call(number):
        write("helpers.py", source.replace("+ 1", f"+ {number}"))
        return load(tracked(imports, expression)).f(0)

    first, second = call(1), call(2)
    assert first != second
    assert call(1) == first


@pytest.mark.parametrize("init", [True, False])
def test_a_helper_in_a_package_counts(load, write, init):
    if init:
        write("package/__init__.py", "")
    found: list[int] = []
    for number in (1, 2):
        write("package/helpers.py", f"def g(x): return x + {number}")
        found.append(load(tracked("import package.helpers", "package.helpers.g(x)")).f(0))

    assert found == [1, 2]


def test_a_helper_that_is_loaded_again_counts_at_once(load, write):
    write("helpers.py", "def g(x): return x + 1")
    module = load(tracked("import helpers", "helpers.g(x)"))
    before = module.f(0)
    write("helpers.py", "def g(x): return x + 20")
    sys.modules["helpers"] = module.helpers
    importlib.reload(module.helpers)

    assert (before, module.f(0), module.f(1)) == (1, 20, 21)


def test_new_code_in_a_helper_that_is_there_counts_at_once(load, write):
    """As IPython's autoreload does it."""
    write("helpers.py", "def g(x): return x + 1")
    module = load(tracked("from helpers import g", "g(x)"))
    before = module.f(0)
    module.g.__code__ = (lambda x: x + 20).__code__

    assert (before, module.f(0)) == (1, 20)


def test_a_helper_of_a_notebook_counts_at_once():
    cells = {"ptd": ptd}

    def run(number, source):
        name = f"<cell {number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), cells)

    run(1, "def g(x): return x + 1")
    run(2, "@ptd.persistf(track='closure')\ndef f(x): return g(x)")
    before = cells["f"](0)
    run(3, "def g(x): return x + 2")

    assert (before, cells["f"](0)) == (1, 2)


def test_a_helper_beside_a_script_that_is_run_elsewhere_counts(python, tmp_path):
    (tmp_path / "job.py").write_text("""
import persist_to_disk as ptd, helpers
@ptd.persistf(track="closure")
def f(x):
    return helpers.g(x)
print(f(0))
""")
    found: list[str] = []
    for number in (1, 22):
        (tmp_path / "helpers.py").write_text(f"def g(x): return x + {number}")
        found.append(python(tmp_path / "job.py"))

    assert found == ["1\n", "22\n"]


def test_what_is_installed_below_the_project_does_not_count(load, write, project, monkeypatch):
    folder = ".venv/lib/site-packages"
    (project / folder).mkdir(parents=True)
    monkeypatch.syspath_prepend(project / folder)
    found: list[int] = []
    for number in (1, 2):
        write(f"{folder}/helpers.py", f"def g(x): return x + {number}")
        found.append(load(tracked("import helpers", "helpers.g(x)")).f(0))

    assert found == [1, 1]


def test_a_long_chain_of_helpers_is_followed(load):
    chain = [f"def g{n}(x): return g{n + 1}(x) if x else 0" for n in range(2000)]
    f = load("\n".join([*chain, tracked("", "g0(x)")])).f

    assert f(0) == f(0) == 0
    assert f.cache_info().hits == 1


def test_what_a_helper_remembers_does_not_count(load):
    f = load("""
        def remembering(function):
            known = {}
            def wrapper(x):
                if x not in known:
                    known[x] = function(x)
                return known[x]
            return wrapper
        @remembering
        def g(x):
            return x
        @ptd.persistf(track="closure")
        def f(x):
            return g(x)
    """).f

    assert [f(1), f(2), f(1)] == [1, 2, 1]
    assert f.cache_info()[:3] == (1, 2, 2)
