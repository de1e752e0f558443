"""The code of a function counts, and that of its helpers if asked for."""

from __future__ import annotations

import sys

import pytest

BODY = """
calls = 0
{comment}
@ptd.persistf({options})
def f(x):
    global calls
    calls += 1
    return x + {constant}
"""


@pytest.mark.parametrize(
    ("first", "second", "runs"),
    [
        ({}, {"constant": 2}, 1),
        ({}, {"comment": "# moved\n\n\n# down"}, 0),
        ({"options": "version='1'"}, {"options": "version='1'", "constant": 2}, 0),
        ({"options": "version='1'"}, {"options": "version='2'"}, 1),
    ],
)
def test_the_code_of_the_function_counts(load, first, second, runs):
    defaults = {"comment": "", "options": "", "constant": 1}
    load(BODY.format(**(defaults | first))).f(1)

    again = load(BODY.format(**(defaults | second)))
    again.f(1)
    assert again.calls == runs


def test_lambdas_of_one_line_and_methods_of_one_name_do_not_collide(load):
    module = load("""
        f, g = ptd.persistf()(lambda x: x + 1), ptd.persistf()(lambda x: x + 2)
        class A:
            @ptd.persistf()
            def m(self, x):
                return "A"
        class B:
            @ptd.persistf()
            def m(self, x):
                return "B"
    """)

    assert (module.f(1), module.g(1)) == (2, 3)
    assert (module.A().m(1), module.B().m(1)) == ("A", "B")


HELPERS = """
def clean(x):
    return strip(x) + {clean}
def strip(x):
    return x + {strip}
def unused(x):
    return x + {unused}
class Scaler:
    def scale(self, x):
        return x * {scale}
"""
MAIN = """
import sys
sys.path.insert(0, {folder!r})
sys.modules.pop("helpers", None)
import json
import helpers
from helpers import Scaler
@ptd.persistf(track="closure")
def f(x):
    json.dumps(x)
    return [Scaler().scale(helpers.clean(y)) for y in x]
"""


@pytest.mark.parametrize(
    ("changed", "runs"), [("clean", 1), ("strip", 1), ("scale", 1), ("unused", 0)]
)
def test_tracked_helpers_count(load, project, monkeypatch, changed, runs):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    values = {"clean": 1, "strip": 2, "scale": 3, "unused": 4}
    helpers = project / "helpers.py"
    for more in (0, 0, 100):
        helpers.write_text(HELPERS.format(**values | {changed: values[changed] + more}))
        module = load(MAIN.format(folder=str(project)))
        module.f([1])
    sys.modules.pop("helpers")

    assert module.f.cache_info().entries == 1 + runs


def test_functions_that_differ_by_case_only_share_no_result(load, monkeypatch):
    """As on macOS and Windows, where their folders are one."""
    monkeypatch.setattr("persist_to_disk._place.qualified_name", str.lower)
    module = load("""
        @ptd.persistf(version="1")
        def f(x):
            return "f"
        @ptd.persistf(version="1")
        def F(x):
            return "F"
    """)

    assert (module.f(1), module.F(1)) == ("f", "F")
