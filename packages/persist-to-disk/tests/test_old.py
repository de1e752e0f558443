"""Results that version 0.0.7 stored.

The golden folder was written by version 0.0.7 itself, by the script in it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import pytest

import persist_to_disk as ptd

GOLDEN = Path(__file__).parent / "golden" / "old"


@pytest.fixture
def old(home, project, load):
    """A cache of version 0.0.7, and the module whose results it holds."""
    shutil.copytree(GOLDEN / "cache", home / "cache")
    (home / "project_to_pids.txt").write_text(f"{project}||1\n")
    for path in [home, *home.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    source = (GOLDEN / "job.py").read_text()
    return lambda source=source: load(source, "pipeline/job.py")


def calls(module):
    """The calls that the golden folder holds the results of."""
    return {
        "plain": lambda: module.plain("MNIST", lr=1e-3),
        "plain by position": lambda: module.plain("MNIST", 1e-3, 30),
        "grouped": lambda: module.grouped("MNIST", 20, {"width": 8, "deep": True}, device="cuda"),
        "expanded": lambda: module.expanded({"a": {"b": 1, "c": "x"}}, 5),
        "json": lambda: module.by_json("x", y=(1, 2)),
        "namespace": lambda: module.namespace(argparse.Namespace(lr=0.1, name="n")),
        "same text": lambda: module.same_text("text", "text"),
    }


@pytest.mark.parametrize("name", calls(None))
def test_a_result_of_version_0_0_7_is_a_hit(old, name):
    module = old()

    assert calls(module)[name]() == {"by": "0.0.7", "call": name.removesuffix(" by position")}
    assert calls(module)[name]() == {"by": "0.0.7", "call": name.removesuffix(" by position")}
    assert not module.computed


def test_old_results_survive_new_ones_in_the_same_bucket(old):
    module = old()
    for number in range(20):
        module.plain("new", number)

    assert len(module.computed) == 20
    assert calls(module)["plain"]() == {"by": "0.0.7", "call": "plain"}
    assert len(module.computed) == 20


def test_one_and_true_are_two_calls_in_old_buckets_too(old):
    module = old()

    assert module.one(1)["by"] == "0.0.7"
    module.one(True)
    module.one(1.0)
    assert len(module.computed) == 2


def test_old_results_do_not_count_for_edited_code(old):
    old().one(1)
    source = (GOLDEN / "job.py").read_text()
    edited = old(source.replace('"x": x}', '"x": x, "edited": True}'))

    assert edited.one(1)["edited"]
    assert edited.computed == [1]
    assert not old(source.replace("hashsize=1", "hash_size=1")).one(1).get("edited")


def test_clear_removes_old_results_too(old):
    module = old()
    module.plain("new", 1)
    module.plain.clear()

    calls(module)["plain"]()
    assert len(module.computed) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_old_results_that_others_may_write_are_refused(old, home):
    module = old()
    for path in (home / "cache").rglob("*.pkl"):
        path.chmod(0o666)

    with pytest.raises(ptd.UnsafePathError):
        calls(module)["plain"]()


def test_a_damaged_old_bucket_is_passed_over(old, home):
    module = old()
    for path in (home / "cache").rglob("*.pkl"):
        path.write_bytes(path.read_bytes()[:10])

    calls(module)["plain"]()
    assert len(module.computed) == 1
