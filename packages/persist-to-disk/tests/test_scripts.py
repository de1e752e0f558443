"""Results whose classes are of a script: of one file, in whatever way it is started."""

from __future__ import annotations

import os

import pytest

SCRIPT = """
import dataclasses, enum, sys
import persist_to_disk as ptd

@dataclasses.dataclass
class Result:
    weights: bytes

class Color(enum.Enum):
    RED = 1

@ptd.persistf()
def small(x):
    print("computing")
    return Result(b"1"), Color.RED

@ptd.persistf()
def large(x):
    print("computing")
    return Result(bytes(2_000_000))

def by_hand():
    found = ptd.manual_cache("result")
    if found is None:
        print("computing")
        found = Result(b"")
        ptd.manual_cache("result", found, write=True)
    return found

def check():
    for _ in range(2):
        result, color = small(1)
        assert type(result) is type(large(1)) is type(by_hand()) is Result
        assert color is Color.RED

if __name__ == "__main__":
    if "pool" in sys.argv:
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(check)
    else:
        check()
"""
WAYS = {
    "script": ["pipeline/train.py"],
    "module": ["-m", "pipeline.train"],
    "import": ["-c", "import pipeline.train as t; t.check()"],
    "pool": ["pipeline/train.py", "pool"],
}


@pytest.fixture
def start(project, python):
    """Start the script, and return what it prints."""
    (project / "pipeline").mkdir()
    (project / "pipeline/train.py").write_text(SCRIPT)
    return lambda *arguments: python(*arguments, env={**os.environ, "PYTHONPATH": "."})


@pytest.mark.parametrize(
    ("first", "then"),
    [("script", "import"), ("import", "script"), ("import", "module"), ("pool", "script")],
)
def test_classes_of_a_script_are_the_same_however_it_is_started(start, first, then):
    assert start(*WAYS[first]) == "computing\n" * 3

    assert start(*WAYS[then]) == ""


def test_a_function_elsewhere_may_return_what_the_script_that_runs_defines(project, python):
    (project / "helpers.py").write_text("""
import persist_to_disk as ptd

@ptd.persistf()
def call(function, x):
    print("computing")
    return function(x)
""")
    (project / "train.py").write_text("""
import sys, helpers

class Result:
    def __init__(self, x):
        self.x = x

def check():
    assert type(helpers.call(Result, 1)) is Result

if __name__ == "__main__":
    check()
    assert "train" not in sys.modules
""")

    assert python("-c", "import train; train.check()") == "computing\n"
    assert python("train.py") == python("-m", "train") == ""


def test_a_class_of_that_name_in_another_script_is_not_taken_for_it(project, python, start):
    start("pipeline/train.py")
    (project / "report.py").write_text("""
import sys, warnings
import pipeline.train as t

class Result:
    pass

warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    assert type(t.small(1)[0]) is t.Result
if "first" in sys.argv:
    assert "Result may be of __main__ or pipeline.train" in str(caught[0].message)
assert type(t.small(1)[0]) is t.Result
""")

    assert start("report.py", "first") == "computing\n"
    assert start("report.py") == ""
